# The operator: the Kopf shell and the reconciliation, with the templates and the vocabulary they import.
# Context: the repository's root, as in `docker build -f deploy/docker/operator.Dockerfile .`
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}
WORKDIR /opt/moorage

# Third-party code comes first, so that a change of ours rebuilds only the small layers below. pip leaves with the
# layer that brought it. Both secrets are optional: a pip.conf, and the CA bundle it names as /run/secrets/ca.
COPY requirements/operator.txt requirements.txt
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca \
    python3 -m venv /tmp/pip \
 && python3 -m venv --without-pip venv \
 && /tmp/pip/bin/pip --python venv/bin/python install \
        --no-cache-dir --only-binary :all: --require-hashes -r requirements.txt \
 && rm -rf /tmp/pip

# A read-only root keeps no bytecode, so it is compiled here; it is never checked against the source again.
ENV PATH=/opt/moorage/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/moorage/lib \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
COPY operator/moorage_operator lib/moorage_operator
COPY templates/moorage_templates lib/moorage_templates
COPY crds/moorage_crds lib/moorage_crds
RUN python -m compileall -q --invalidation-mode unchecked-hash lib

USER 65532:65532
ENTRYPOINT ["python", "-m", "moorage_operator"]
