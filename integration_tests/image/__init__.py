"""The Docker image, really built and really run, without Docker: debootstrap makes a base, buildah builds on it."""
