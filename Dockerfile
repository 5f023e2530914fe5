# docker build -t herald .
# docker run -p 8080:8080 -v herald:/var/lib/herald -v ./herald.toml:/etc/herald/herald.toml:ro --read-only herald

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# Dependencies first: they change less often than Herald does.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && touch src/lib.rs && echo "fn main() {}" > src/main.rs \
    && cargo build --release --locked \
    && rm -r src
COPY . .
# The stand-ins are younger than what replaces them.
RUN touch src/lib.rs src/main.rs && cargo build --release --locked && strip target/release/herald

FROM debian:bookworm-slim
# Apple's and Google's certificates are checked against the system's roots.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home herald \
    && install --directory --owner herald --mode 0700 /var/lib/herald
COPY --from=build /src/target/release/herald /usr/local/bin/herald
COPY config/herald.toml /etc/herald/herald.toml
# Nothing but this folder is written to.
VOLUME /var/lib/herald
WORKDIR /var/lib/herald
USER herald
# Over the file, since what suits a laptop does not suit a container.
ENV HERALD__SERVER__LISTEN=0.0.0.0:8080 HERALD__DATABASE__URL=sqlite:///var/lib/herald/herald.db
EXPOSE 8080
# Probes: GET /health says that the process is alive, GET /ready that store and queue answer.
ENTRYPOINT ["herald"]
CMD ["serve", "--config", "/etc/herald/herald.toml"]
