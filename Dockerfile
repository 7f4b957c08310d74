# The base of Airbyte's own Python connectors (Python 3.13); metadata.yaml names the same one.
ARG BASE_IMAGE=docker.io/airbyte/python-connector-base:4.1.0@sha256:1d1aa21d34e851df4e8a87b391c27724c06e2597608e7161f4d167be853bd7b6

FROM ${BASE_IMAGE} AS builder
USER root
WORKDIR /build

# Dependencies first: they change seldom, and the layer is used again. The locked versions, each file checked against its
# hash, and only wheels, because the base has no compiler. The environment is made without a pip of its own.
COPY requirements.txt ./
RUN python3 -m venv --without-pip /opt/source-pylon \
    && python3 -m pip --python /opt/source-pylon/bin/python install --no-cache-dir --no-warn-script-location \
        --no-deps --require-hashes --only-binary :all: --requirement requirements.txt

# What builds the package's wheel is locked as well, and stays in an environment that is left behind.
COPY requirements-build.txt ./
RUN python3 -m venv --without-pip build-environment \
    && python3 -m pip --python build-environment/bin/python install --no-cache-dir --no-deps --require-hashes \
        --only-binary :all: --requirement requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY source_pylon source_pylon
RUN build-environment/bin/python -c "from poetry.core.masonry.api import build_wheel; build_wheel('dist')" \
    && python3 -m pip --python /opt/source-pylon/bin/python install --no-cache-dir --no-deps --no-index dist/*.whl \
    # A tenth of the size is pandas' own tests, which nothing imports.
    && rm -rf /opt/source-pylon/lib/python3.*/site-packages/pandas/tests

FROM ${BASE_IMAGE}
# The same two as in metadata.yaml.
LABEL io.airbyte.name="source-pylon" \
      io.airbyte.version="0.2.0"
COPY --from=builder /opt/source-pylon /opt/source-pylon
WORKDIR /airbyte/integration_code
# The base's user airbyte, by its number: Kubernetes can then tell that it is not root.
USER 1000
# Airbyte's CDK wants a directory for temporary files at every start, though this connector writes none. /dev/shm is
# there and writable in a container whose root file system is read-only.
ENV TMPDIR=/dev/shm
# Airbyte starts the connector by this variable, everybody else by the entry point: the two must be the same words.
ENV AIRBYTE_ENTRYPOINT="/opt/source-pylon/bin/source-pylon"
ENTRYPOINT ["/opt/source-pylon/bin/source-pylon"]
