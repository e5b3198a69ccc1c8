# Weaviate: the static server on an empty root, started as in its project's own image.
# Context: the folder of the `weaviate-server` binary, built from tools/go/weaviate with CGO_ENABLED=0.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS certificates

FROM scratch
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY weaviate-server /bin/weaviate
ENV HOME=/tmp
USER 65532:65532
ENTRYPOINT ["/bin/weaviate"]
CMD ["--host", "0.0.0.0", "--port", "8080", "--scheme", "http"]
