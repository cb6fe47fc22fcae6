#!/usr/bin/env bash
# Installs Mesa's software Vulkan driver (lavapipe) so that the GPU tests have an adapter.
# Idempotent; runs as root on Debian bookworm. Bookworm's own Mesa 22.3 is too old for
# some of the shader features the tests use, so the driver comes from bookworm-backports.
set -euo pipefail

minimum=24

installed_major() {
    dpkg-query --show --showformat='${Version}' mesa-vulkan-drivers 2>/dev/null | cut -d. -f1
}

have="$(installed_major || true)"
if [[ "${have:-0}" =~ ^[0-9]+$ && "${have:-0}" -ge "$minimum" ]]; then
    echo "lavapipe: Mesa $have is installed"
    exit 0
fi

codename="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")"
target=()
if [[ "$codename" == bookworm ]]; then
    cat > /etc/apt/sources.list.d/bookworm-backports.sources <<'SOURCES'
Types: deb
URIs: http://deb.debian.org/debian
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    target=(--target-release bookworm-backports)
fi

apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${target[@]}" mesa-vulkan-drivers
echo "lavapipe: Mesa $(installed_major) installed"
