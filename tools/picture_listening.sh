#!/usr/bin/env bash
# Draw docs/images/listening.svg: real servers in a network namespace of their own, looked at by `portlore listening`.
# Needs root, nginx, redis-server, memcached, dnsmasq and sshd (Debian: nginx-light redis-server memcached dnsmasq-base openssh-server).
set -euo pipefail
cd -- "$(dirname -- "$0")/.."
if [ "${1:-}" != inside ]; then
  exec unshare -n -- bash "tools/picture_listening.sh" inside
fi
folder=$(mktemp -d)
chmod 755 "$folder"
python=.check/oldest/bin/python
trap 'kill $(jobs -p) $(cat "$folder"/*.pid) 2>/dev/null; sleep 0.5; rm -rf "$folder"' EXIT
ip link set lo up
mkdir -p /run/sshd
cat > "$folder/nginx.conf" <<NGINX
pid $folder/nginx.pid; error_log $folder/log;
events {} http { access_log off; server { listen 80; } server { listen 5432; } }
NGINX
nginx -c "$folder/nginx.conf"
(exec redis-server --bind 127.0.0.1 --port 6379 --save "" --dir "$folder" >/dev/null) &
(exec memcached -u nobody -l 127.0.0.1) &
(exec dnsmasq --no-daemon --port=53 --listen-address=127.0.0.1 --bind-interfaces --no-resolv >/dev/null 2>&1) &
(exec /usr/sbin/sshd -D -o "PidFile=$folder/sshd.pid") &
(cd "$folder" && exec python3 -m http.server 8000 >/dev/null 2>&1) &
(exec python3 -c 'import signal, socket
low, own = socket.socket(), socket.socket()
low.bind(("0.0.0.0", 973)); low.listen()
own.bind(("0.0.0.0", 7035)); own.listen()
signal.pause()') &
for port in 80 6379 11211 53 22 8000 7035; do "$python" -m portlore wait "$port" --timeout 20 >/dev/null; done
"$python" tools/picture.py listening docs/images/listening.svg 40
"$python" -m portlore listening
