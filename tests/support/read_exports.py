"""Reads an export with nothing but Python's own library, and prints what it found as JSON.

Usage: python3 read_exports.py FORMAT FILE...
"""

import array
import ast
import base64
import csv
import json
import struct
import sys
import zipfile


def floats(raw):
    values = array.array("f")
    values.frombytes(raw)
    return list(values)


def read_jsonl(files):
    return [json.loads(line) for name in files for line in open(name, encoding="utf-8")]


def read_csv(files):
    rows = []
    for name in files:
        with open(name, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                row["embedding"] = floats(base64.b64decode(row["embedding"])) if row.get("embedding") else None
                rows.append(row)
    return rows


def png_size(raw):
    assert raw[:8] == b"\x89PNG\r\n\x1a\n", raw[:8]
    return list(struct.unpack(">II", raw[16:24]))


def read_image_folder(files):
    rows = []
    for name in files:
        with zipfile.ZipFile(name) as archive:
            assert archive.testzip() is None
            names = set(archive.namelist()) - {"metadata.jsonl"}
            for line in archive.read("metadata.jsonl").decode().splitlines():
                row = json.loads(line)
                names.remove(row["file_name"])
                row["folder"] = row["file_name"].split("/")[0]
                row["size"] = png_size(archive.read(row["file_name"]))
                rows.append(row)
            assert not names, names
    return rows


def read_coco(files):
    rows = []
    for name in files:
        with zipfile.ZipFile(name) as archive:
            assert archive.testzip() is None
            document = json.loads(archive.read("annotations.json"))
            images = {image["id"]: image for image in document["images"]}
            assert len(images) == len(document["images"])
            assert set(archive.namelist()) == {"annotations.json"} | {"images/" + i["file_name"] for i in images.values()}
            categories = {category["id"]: category["name"] for category in document["categories"]}
            for annotation in document["annotations"]:
                image = images[annotation["image_id"]]
                size = png_size(archive.read("images/" + image["file_name"]))
                assert size == [image["width"], image["height"]]
                x, y, width, height = annotation["bbox"]
                assert 0 <= x and 0 <= y and x + width <= size[0] + 1e-6 and y + height <= size[1] + 1e-6
                assert abs(annotation["area"] - width * height) < 1e-6
                annotation["category"] = categories[annotation["category_id"]]
                annotation["file_name"] = image["file_name"]
                rows.append(annotation)
    assert len({row["id"] for row in rows}) == len(rows)
    return rows


def read_fiftyone(files):
    """As fiftyone.types.FiftyOneImageDetectionDataset lays it out: data/<stem>.<ext>, labels.json keyed by stem."""
    rows = []
    for name in files:
        with zipfile.ZipFile(name) as archive:
            assert archive.testzip() is None
            document = json.loads(archive.read("labels.json"))
            stems = {n[len("data/") :].rsplit(".", 1)[0]: n for n in archive.namelist() if n.startswith("data/")}
            assert set(stems) == set(document["labels"])
            for stem, detections in document["labels"].items():
                png_size(archive.read(stems[stem]))
                for detection in detections:
                    rows.append({"stem": stem, **detection})
    return rows


def read_npz(name):
    with zipfile.ZipFile(name) as archive:
        raw = archive.read("data.npy")
    assert raw[:8] == b"\x93NUMPY\x01\x00"
    (length,) = struct.unpack("<H", raw[8:10])
    assert (10 + length) % 64 == 0
    header = ast.literal_eval(raw[10 : 10 + length].decode())
    assert header["descr"] == "<f4" and header["fortran_order"] is False
    return header["shape"], floats(raw[10 + length :])


def read_learn_to_cluster(files):
    by_kind = {name.rsplit("/", 1)[1]: name for name in files}
    pick = lambda end: next(name for base, name in by_kind.items() if base.endswith(end))
    labels = [int(line) for line in open(pick(".meta"))]
    keys = open(pick(".keys.txt"), encoding="utf-8").read().splitlines()
    values = floats(open(pick(".bin"), "rb").read())
    dimension = len(values) // len(labels)
    shape, data = read_npz(pick(".npz"))
    return {
        "labels": labels,
        "keys": keys,
        "features": [values[i * dimension : (i + 1) * dimension] for i in range(len(labels))],
        "shape": list(shape),
        "neighbours": data,
    }


READERS = {
    "JSONL": read_jsonl,
    "CSV": read_csv,
    "IMAGE_FOLDER": read_image_folder,
    "COCO": read_coco,
    "FIFTYONE": read_fiftyone,
    "LEARN_TO_CLUSTER": read_learn_to_cluster,
}

if __name__ == "__main__":
    print(json.dumps(READERS[sys.argv[1]](sys.argv[2:])))
