"""A network camera as small as can be: RTSP over TCP (RFC 2326) with JPEG in RTP (RFC 2435). Serves one client."""

import socket
import struct
import sys
import time

import cv2
import numpy as np

SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track\r\n"
WIDTH, HEIGHT = 160, 120  # multiples of 8, as the format asks for


def answer(link: socket.socket) -> None:
    """Answers requests until the client wants to see."""
    data, asked = b"", ""
    while asked != "PLAY":
        while b"\r\n\r\n" not in data:
            data += link.recv(4096)
        head, _, data = data.partition(b"\r\n\r\n")
        asked, number = head.split()[0].decode(), head.lower().split(b"cseq:")[1].split()[0].decode()
        extra = {
            "OPTIONS": "Public: DESCRIBE, SETUP, PLAY\r\n\r\n",
            "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}",
            "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n",
            "PLAY": "Session: 1\r\n\r\n",
        }[asked]
        link.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{extra}".encode())


def packets(jpeg: bytes, sequence: int, clock: int) -> list[bytes]:
    """Splits one picture into RTP packets, each in the frame by which they share the connection."""
    tables = b"".join(jpeg[i + 5 : i + 69] for i in range(len(jpeg)) if jpeg[i : i + 4] == b"\xff\xdb\x00\x43")
    scan = jpeg[jpeg.index(b"\xff\xda") + 14 : -2]
    made = []
    for offset in range(0, len(scan), 1000):
        last = offset + 1000 >= len(scan)
        rtp = struct.pack(">BBHII", 0x80, 26 | 0x80 * last, sequence + len(made) & 0xFFFF, clock & 0xFFFFFFFF, 7)
        place = struct.pack(">I", offset) + bytes([1, 255, WIDTH // 8, HEIGHT // 8])  # type 1 is 4:2:0
        quantization = struct.pack(">HH", 0, len(tables)) + tables if offset == 0 else b""
        body = rtp + place + quantization + scan[offset : offset + 1000]
        made.append(b"$\x00" + struct.pack(">H", len(body)) + body)
    return made


def serve(server: socket.socket, pictures: int) -> None:
    """Serves one client after another, each with so many pictures, which grow brighter."""
    while True:
        link, _ = server.accept()
        try:
            answer(link)
            sequence = 0
            for index in range(pictures):
                image = np.full((HEIGHT, WIDTH, 3), 40 + index % 150, np.uint8)
                cv2.putText(image, str(index), (20, 80), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255, 255, 255), 3)
                jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x221111])[1].tobytes()
                for packet in packets(jpeg, sequence, index * 3600):
                    link.sendall(packet)
                    sequence += 1
                time.sleep(0.04)
        except OSError:
            pass
        finally:
            link.close()


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")  # the test reads it
    sys.stdout.flush()
    serve(listening, int(sys.argv[1]))
