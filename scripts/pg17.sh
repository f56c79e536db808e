#!/usr/bin/env bash
# PostgreSQL 17 with pgvector for tests, unpacked from Debian packages into a folder: nothing is installed on the system.
# Usage: scripts/pg17.sh start FOLDER [PORT]   prints the database URL
#        scripts/pg17.sh stop FOLDER
# PG17_OPTIONS holds further options of the server, such as "-c shared_buffers=2GB"; the last one of a name wins.
# Needs root and Debian's apt. A server that runs already is left as it is, and its URL printed.
set -euo pipefail

action=${1:?start or stop}
folder=$(realpath -m "${2:?a folder}")
port=${3:-5598}
root=$folder/root
bin=/usr/lib/postgresql/17/bin
as_postgres() { chroot --userspec=999:999 "$root" "$@"; }

unpack() {
  mkdir -p "$root" "$folder"/apt/{etc/{apt.conf.d,preferences.d},state/lists/partial,cache/archives/partial}
  touch "$folder/apt/state/status"
  local mirror
  mirror=$(grep -hE '^(URIs:|deb )' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -oE 'https?://[^ ]+' | sed -n 1p || true)
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$folder/apt/etc/sources.list"
  # A private apt: the system's own package lists and state are not touched.
  cat >"$folder/apt.conf" <<CONF
Dir::Etc "$folder/apt/etc"; Dir::Etc::sourceparts "-"; Dir::State "$folder/apt/state";
Dir::State::status "$folder/apt/state/status"; Dir::Cache "$folder/apt/cache";
APT::Install-Recommends "false"; APT::Sandbox::User "root"; Acquire::Languages "none";
CONF
  APT_CONFIG=$folder/apt.conf apt-get -qq update >&2
  APT_CONFIG=$folder/apt.conf apt-get -qq -y --download-only install postgresql-17-pgvector dash >&2
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
  for dir in bin sbin lib lib64; do ln -sfn "usr/$dir" "$root/$dir"; done
  for package in "$folder"/apt/cache/archives/*.deb; do
    case $package in
      */libllvm* | */perl* | */libperl* | */postgresql-common* | */libz3*) ;;
      *) dpkg-deb -x "$package" "$root" ;;
    esac
  done
  printf 'root:x:0:0::/root:/bin/sh\npostgres:x:999:999::/srv:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\npostgres:x:999:\n' >"$root/etc/group"
  install -d -o 999 -g 999 "$root/srv/pg"
  mkdir -p "$root/tmp" "$root/dev"
  chmod 1777 "$root/tmp"
  [ -e "$root/dev/null" ] || mknod -m 666 "$root/dev/null" c 1 3
  rm -rf "$folder/apt/cache/archives"
}

case $action in
  start)
    [ -x "$root$bin/postgres" ] || unpack
    [ -f "$root/srv/pg/data/PG_VERSION" ] ||
      as_postgres $bin/initdb -D /srv/pg/data -U postgres -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
    if ! as_postgres $bin/pg_ctl -D /srv/pg/data status >/dev/null 2>&1; then
      as_postgres $bin/pg_ctl -D /srv/pg/data -w -l /srv/pg/log \
        -o "-p $port -h 127.0.0.1 -k /srv/pg -c dynamic_shared_memory_type=mmap -c jit=off -c fsync=off -c max_connections=200 ${PG17_OPTIONS:-}" start >&2 ||
        { tail -n 20 "$root/srv/pg/log" >&2; exit 1; }
    fi
    # The fourth line is the port that it listens on.
    echo "postgresql://postgres@127.0.0.1:$(sed -n 4p "$root/srv/pg/data/postmaster.pid")/postgres"
    ;;
  stop) as_postgres $bin/pg_ctl -D /srv/pg/data -m fast stop >&2 ;;
  *) echo "usage: $0 start|stop FOLDER [PORT]" >&2; exit 2 ;;
esac
