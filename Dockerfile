# syntax=docker/dockerfile:1
# The server with its web page and plugins. The steps are those of `cargo xtask run --release`, cut where layers can be reused
# (a change in the server's code builds neither the web page nor the plugins again) and where Node or Python is needed.

# The web page: plain files, so it is built once for all platforms.
FROM --platform=$BUILDPLATFORM node:22-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY web/ ./
RUN npm run build

# The plugins in TypeScript: the same files for all platforms, so they too are built on the builder's own. The folders are as in
# the repository, because the plugins depend on the SDK by its path, and that reads the contract beside it.
FROM --platform=$BUILDPLATFORM node:22-bookworm-slim AS typescript
WORKDIR /src
COPY plugin-sdk/wit plugin-sdk/wit
COPY plugin-sdk/typescript plugin-sdk/typescript
RUN cd plugin-sdk/typescript && npm ci --ignore-scripts --no-audit --no-fund
COPY plugins plugins
RUN mkdir -p /dist/testing \
    && for package in plugins/*/package.json plugins/testing/*/package.json; do \
        folder=$(dirname "$package"); \
        (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund && npm run --silent build -- "/dist/${folder#plugins/}.wasm") || exit 1; \
    done

# The plugin in Python: this, too, is the same file for all platforms.
FROM --platform=$BUILDPLATFORM python:3.12-slim-bookworm AS python
WORKDIR /src/plugins/code_python
COPY plugins/code_python/requirements.txt ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.txt
COPY plugin-sdk/wit /src/plugin-sdk/wit
COPY plugin-sdk/python/src /src/plugin-sdk/python/src
COPY plugins/code_python ./
RUN python build/build.py /code_python

FROM rust:1.95-bookworm AS server
RUN rustup target add wasm32-unknown-unknown
WORKDIR /src
COPY . .
COPY --from=web /src/web/dist web/dist
COPY --from=typescript /dist plugins/dist
COPY --from=python /code_python/ plugins/dist/
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=parlour-target \
    --mount=type=cache,target=/src/plugins/target,id=parlour-plugins \
    cargo xtask plugins --rust \
    && cargo build --workspace --bin parlour --release --locked \
    && cp target/release/parlour /parlour

FROM debian:bookworm-slim
# Certificates for model providers; curl for the health check.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home parlour \
    && install -d -o parlour -g parlour -m 0700 /data
COPY --from=server /parlour /usr/local/bin/parlour
COPY workflows/restaurant /projects/restaurant
COPY workflows/marketing /projects/marketing
# One folder holds everything that must outlive the container, the embedding model included.
ENV PARLOUR_DATA=/data \
    PARLOUR_MODEL_DIR=/data/models \
    PARLOUR_LISTEN=0.0.0.0:7272 \
    PARLOUR_PROJECT=/projects/restaurant,/projects/marketing
USER parlour
WORKDIR /data
VOLUME /data
EXPOSE 7272
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD curl -fsS http://127.0.0.1:7272/healthz || exit 1
ENTRYPOINT ["parlour"]
CMD ["serve"]
