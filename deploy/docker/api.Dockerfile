# The API: control plane, gateway and worker in one image, with the vocabulary they import.
# Context: the repository's root, as in `docker build -f deploy/docker/api.Dockerfile .`
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}
WORKDIR /opt/moorage

# Third-party code comes first, so that a change of ours rebuilds only the small layers below. pip leaves with the
# layer that brought it. Both secrets are optional: a pip.conf, and the CA bundle it names as /run/secrets/ca.
COPY requirements/api.txt requirements.txt
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca \
    python3 -m venv /tmp/pip \
 && python3 -m venv --without-pip venv \
 && /tmp/pip/bin/pip --python venv/bin/python install \
        --no-cache-dir --only-binary :all: --require-hashes -r requirements.txt \
 && rm -rf /tmp/pip

# For people and Jobs: kubectl exec ... moorage-api create-key
RUN printf '#!/bin/sh\nexec python -m moorage_api "$@"\n' > /usr/local/bin/moorage-api \
 && chmod 0755 /usr/local/bin/moorage-api

# A read-only root keeps no bytecode, so it is compiled here; it is never checked against the source again.
ENV PATH=/opt/moorage/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/moorage/lib \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
COPY api/moorage_api lib/moorage_api
COPY crds/moorage_crds lib/moorage_crds
RUN python -m compileall -q --invalidation-mode unchecked-hash lib

USER 65532:65532
ENTRYPOINT ["python", "-m", "moorage_api"]
