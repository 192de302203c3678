# One member of swarms of libtorrent, tuned for a data centre: libtorrent-member.py tuned|super-seeding <address>. What it is
# told: see line-members.ts.
import base64
import json
import os
import sys
import threading
import time

import libtorrent as lt

mode, address = sys.argv[1:]

settings = lt.high_performance_seed()
settings.update(
    {
        "listen_interfaces": f"{address}:0",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True,
        "out_enc_policy": 2,
        "in_enc_policy": 2,
        "unchoke_slots_limit": -1,
        "choking_algorithm": 0,
        "max_out_request_queue": 3000,
        "max_allowed_in_request_queue": 5000,
        "request_queue_time": 10,
        "whole_pieces_threshold": 1000,
        "send_buffer_watermark": 16 * 1024 * 1024,
        "send_buffer_low_watermark": 2 * 1024 * 1024,
        "send_buffer_watermark_factor": 200,
        "send_socket_buffer_size": 4 * 1024 * 1024,
        "recv_socket_buffer_size": 4 * 1024 * 1024,
        "max_queued_disk_bytes": 256 * 1024 * 1024,
        "aio_threads": 4,
        "hashing_threads": 2,
        "connection_speed": 500,
        "min_reconnect_time": 1,
        "torrent_connect_boost": 100,
        "mixed_mode_algorithm": 0,
        "alert_mask": 0,
    }
)
if not address.startswith("127."):
    # On a slow link deep buffers only make every block late: there libtorrent is best with its own sizes.
    defaults = lt.default_settings()
    for name in ("send_buffer_watermark", "send_buffer_low_watermark", "send_buffer_watermark_factor"):
        settings[name] = defaults[name]
    settings.update({"send_socket_buffer_size": 0, "recv_socket_buffer_size": 0, "max_out_request_queue": 500})
session = lt.session(settings)

while session.listen_port() == 0:
    time.sleep(0.01)
print(f"ready {address}:{session.listen_port()}", flush=True)


def join(pack_file, path, is_seed):
    pack = json.load(open(pack_file))
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(lt.bdecode(b"d4:info" + base64.b64decode(pack["torrent"]["info"]) + b"e"))
    params.save_path = os.path.dirname(path)
    params.renamed_files = {0: os.path.basename(path)}
    params.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    if is_seed:
        params.flags |= lt.torrent_flags.seed_mode
        if mode == "super-seeding":
            params.flags |= lt.torrent_flags.super_seeding
    handle = session.add_torrent(params)
    while str(handle.status().state) not in ("seeding", "downloading", "finished"):
        time.sleep(0.01)
    return handle


def wait_until_complete(handle):
    # The write is over when nothing is queued for the disk.
    while not handle.status().is_seeding:
        time.sleep(0.005)
    print("complete", flush=True)


handle = None
is_seed = False
for line in sys.stdin:
    word, *rest = line.split()
    if word == "join":
        is_seed = rest[2] == "seed"
        handle = join(rest[0], rest[1], is_seed)
        print("joined", flush=True)
    if word == "go":
        for peer in rest:
            host, port = peer.rsplit(":", 1)
            handle.connect_peer((host, int(port)))
        if not is_seed:
            threading.Thread(target=wait_until_complete, args=[handle], daemon=True).start()
    if word == "leave":
        session.remove_torrent(handle)
        while session.get_torrents():
            time.sleep(0.01)
        print("left", flush=True)
    if word == "sent":
        print(f"sent {handle.status().total_payload_upload}", flush=True)
