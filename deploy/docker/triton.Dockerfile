# Triton for CPU machines: the real server and Python backend out of the nvidia-pytriton wheel, laid out as in NVIDIA's
# own images (/opt/tritonserver, `tritonserver` on PATH), which replace this one where there are GPUs.
# Context: the repository's root, as in `docker build -f deploy/docker/triton.Dockerfile .`
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}
WORKDIR /opt/triton

# numpy and onnxruntime go where the interpreter inside the Python backend looks, which ignores PYTHONPATH. The wheel
# keeps its own layout behind a link, since its libraries find each other by relative paths. Of the stubs it brings,
# one per Python version, only the one of this Python stays.
COPY requirements/triton.txt requirements.txt
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca \
    python3 -m venv /tmp/pip \
 && /tmp/pip/bin/pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes \
        --target /opt/triton -r requirements.txt \
 && site=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
 && python=$(python3 -c 'import sys; print(*sys.version_info[:2], sep=".")') \
 && mkdir -p "$site" \
 && mv numpy* onnxruntime* "$site" \
 && server=pytriton/tritonserver \
 && cp "$server/python_backend_stubs/$python/triton_python_backend_stub" "$server/backends/python/" \
 && rm -r "$server/python_backend_stubs" nvidia_pytriton.libs/libpython3* bin /tmp/pip \
 && find pytriton -mindepth 1 -maxdepth 1 ! -name tritonserver -exec rm -r {} + \
 && ln -s triton/pytriton/tritonserver /opt/tritonserver

# Fails here, not in a pod, when a library is missing.
RUN cd /opt/tritonserver \
 && ! ldd bin/tritonserver backends/python/libtriton_python.so backends/python/*_stub | grep 'not found' \
 && python3 -c 'import numpy, onnxruntime'

ENV PATH=/opt/tritonserver/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
USER 65532:65532
CMD ["tritonserver"]
