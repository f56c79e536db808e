FROM node:20-bookworm AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc prisma.config.ts ./
COPY prisma prisma
COPY scripts scripts
COPY native native
RUN npm ci
COPY . .
# What was generated, compiled and built stays; the packages that did it go.
RUN npm run build:web && npm prune --omit=dev

FROM node:20-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 TRIBUTARY_DATA_DIR=/data
WORKDIR /app
COPY --from=build /app /app
RUN install -d -o node -g node /data
USER node
VOLUME /data
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD node -e "fetch('http://127.0.0.1:4000/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"
# Node itself is the first process and hears SIGTERM: npx would end alone, and the server be killed in the middle of its work.
CMD ["node", "--import", "tsx", "src/server.ts"]
