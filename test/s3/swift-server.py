"""OpenStack Swift with its S3 API: one node on loopback, in one folder, without an installation.

usage: /usr/bin/python3 swift-server.py FOLDER FIRST_PORT

Takes five ports from FIRST_PORT: the S3 API, object, container and account servers, memcached. Prints one line,
`ready`, when requests are answered. Ends with its standard input, so that it never outlives who started it.
Needs the Debian packages python3-swift and memcached. The account is `test:tester`, its secret `testing`.
"""

import os
import pwd
import signal
import socket
import subprocess
import sys
import threading
import time

FOLDER = os.path.abspath(sys.argv[1])
S3_PORT = int(sys.argv[2])
STORAGE_PORTS = {"object": S3_PORT + 1, "container": S3_PORT + 2, "account": S3_PORT + 3}
MEMCACHED_PORT = S3_PORT + 4
USER = pwd.getpwuid(os.getuid()).pw_name
READY_WITHIN_SECONDS = 40

# Filters in the order that Swift's own documentation gives them; the S3 API stands before the authentication.
PIPELINE = "catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth slo dlo versioned_writes proxy-server"

FILTERS = {
    "catch_errors": {},
    "gatekeeper": {},
    "healthcheck": {},
    "listing_formats": {},
    "bulk": {},
    "dlo": {},
    "versioned_writes": {},
    "cache": {"_egg": "memcache", "memcache_servers": f"127.0.0.1:{MEMCACHED_PORT}"},
    "slo": {"max_manifest_segments": "10000"},
    "tempauth": {"user_test_tester": "testing .admin .reseller_admin"},
    "s3api": {
        "location": "us-east-1",
        "min_segment_size": "5242880",
        "max_upload_part_num": "10000",
        "check_bucket_owner": "false",
    },
}


def write(name, text):
    with open(os.path.join(FOLDER, name), "w") as file:
        file.write(text)


def section(name, settings):
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()) + "\n"


def defaults(port):
    return section(
        "DEFAULT",
        {
            "bind_ip": "127.0.0.1",
            "bind_port": port,
            "workers": 0,
            "user": USER,
            "swift_dir": FOLDER,
            "devices": os.path.join(FOLDER, "devices"),
            "mount_check": "false",
            "disable_fallocate": "true",
            "log_level": "WARNING",
            # No system log here: what is not a socket is left alone, and messages go to standard error.
            "log_address": os.path.join(FOLDER, "no-syslog"),
        },
    )


def write_configuration():
    os.makedirs(os.path.join(FOLDER, "devices", "disk"), exist_ok=True)
    write(
        "swift.conf",
        section("swift-hash", {"swift_hash_path_suffix": "loopback"})
        + section("storage-policy:0", {"name": "single", "default": "yes"}),
    )
    for role, port in STORAGE_PORTS.items():
        write(
            f"{role}.conf",
            defaults(port)
            + section("pipeline:main", {"pipeline": f"{role}-server"})
            + section(f"app:{role}-server", {"use": f"egg:swift#{role}", "replication_server": "false"}),
        )
    proxy = defaults(S3_PORT) + section("pipeline:main", {"pipeline": PIPELINE})
    proxy += section(
        "app:proxy-server",
        {"use": "egg:swift#proxy", "account_autocreate": "true", "allow_account_management": "true"},
    )
    for name, settings in FILTERS.items():
        settings = dict(settings)
        proxy += section(f"filter:{name}", {"use": f"egg:swift#{settings.pop('_egg', name)}", **settings})
    write("proxy.conf", proxy)


def use_own_swift_conf():
    """Swift looks for /etc/swift/swift.conf; both modules that have read that path are told of ours."""
    import swift.common.storage_policy
    import swift.common.utils

    path = os.path.join(FOLDER, "swift.conf")
    swift.common.utils.SWIFT_CONF_FILE = path
    swift.common.storage_policy.SWIFT_CONF_FILE = path
    swift.common.storage_policy.reload_storage_policies()


def write_rings():
    from swift.common.ring import RingBuilder

    for role, port in STORAGE_PORTS.items():
        ring = RingBuilder(part_power=4, replicas=1, min_part_hours=0)
        ring.add_dev(
            {
                "id": 0,
                "region": 1,
                "zone": 1,
                "weight": 1.0,
                "ip": "127.0.0.1",
                "port": port,
                "replication_ip": "127.0.0.1",
                "replication_port": port,
                "device": "disk",
                "meta": "",
            }
        )
        ring.rebalance()
        ring.get_ring().save(os.path.join(FOLDER, f"{role}.ring.gz"))


def serve(role):
    from swift.common.wsgi import run_wsgi

    use_own_swift_conf()
    sys.exit(run_wsgi(os.path.join(FOLDER, f"{role}.conf"), f"{role}-server", verbose=True))


def start_all():
    write_configuration()
    use_own_swift_conf()
    write_rings()
    memcached = ["memcached", "-u", USER, "-l", "127.0.0.1", "-p", str(MEMCACHED_PORT), "-m", "32", "-U", "0"]
    children = [subprocess.Popen(memcached, stdin=subprocess.DEVNULL)]
    for role in [*STORAGE_PORTS, "proxy"]:
        log = open(os.path.join(FOLDER, f"{role}.log"), "ab")
        command = [sys.executable, __file__, FOLDER, str(S3_PORT), role]
        children.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
    return children


def stop(children):
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()


def wait_until_ready(children):
    give_up_at = time.monotonic() + READY_WITHIN_SECONDS
    for port in [MEMCACHED_PORT, *STORAGE_PORTS.values(), S3_PORT]:
        while True:
            if any(child.poll() is not None for child in children):
                raise SystemExit(f"one of Swift's servers ended at once; see the logs in {FOLDER}")
            if time.monotonic() > give_up_at:
                raise SystemExit(f"Swift was not ready after {READY_WITHIN_SECONDS} seconds; see the logs in {FOLDER}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)


def main():
    if len(sys.argv) > 3:
        serve(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    children = start_all()
    try:
        wait_until_ready(children)
        print("ready", flush=True)
        threading.Thread(target=lambda: (sys.stdin.read(), os.kill(os.getpid(), signal.SIGTERM)), daemon=True).start()
        while all(child.poll() is None for child in children):
            time.sleep(0.5)
    finally:
        stop(children)


if __name__ == "__main__":
    main()
