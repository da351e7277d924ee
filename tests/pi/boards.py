"""What a Raspberry Pi's kernel shows of itself in /proc and /sys, written into a folder. Emulates nothing.

LiteRT chooses its kernels by it: with a PC's files it crashes on emulated ARM, without any it
runs without XNNPACK. The figures are those of the boards' own /proc/cpuinfo.
"""

from dataclasses import dataclass
from pathlib import Path

CORES = 4


@dataclass(frozen=True)
class Board:
    """A Raspberry Pi.

    Attributes:
        name: What the checks call it.
        model: What it calls itself.
        cpu: QEMU's name of its processor.
        part: Part number of the processor, as /proc/cpuinfo has it.
        variant: Variant of the processor.
        step: Revision of the processor.
        revision: Revision code of the board.
        features: CPU features of the 64-bit kernel.
    """

    name: str
    model: str
    cpu: str
    part: str
    variant: str
    step: int
    revision: str
    features: str


BOARDS = {
    board.name: board
    for board in (
        Board(
            name="pi4",
            model="Raspberry Pi 4 Model B Rev 1.4",
            cpu="cortex-a72",
            part="0xd08",
            variant="0x0",
            step=3,
            revision="c03114",
            features="fp asimd evtstrm crc32 cpuid",
        ),
        Board(
            name="pi5",
            model="Raspberry Pi 5 Model B Rev 1.0",
            cpu="cortex-a76",
            part="0xd0b",
            variant="0x4",
            step=1,
            revision="d04170",
            features="fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
            "asimddp",
        ),
    )
}
_FEATURES_32 = "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm crc32"
_CPU_32 = "cortex-a7"  # the 32-bit QEMU knows no Cortex-A72; this one has all that 32-bit wheels use


def write_board(folder: Path, board: Board, *, bits: int) -> None:
    """Writes the files of a board: cpuinfo, model, cpu/ (as in /sys/devices/system), qemu-cpu.

    Args:
        folder: Where to; made if it isn't there.
        board: The board.
        bits: 64, or 32 for a board that runs the 32-bit system.
    """
    (folder / "cpu").mkdir(parents=True, exist_ok=True)
    (folder / "cpuinfo").write_text(_cpuinfo(board, bits))
    (folder / "model").write_text(f"{board.model}\0")
    (folder / "qemu-cpu").write_text(board.cpu if bits == 64 else _CPU_32)
    every = f"0-{CORES - 1}\n"
    for name in ("possible", "present", "online"):
        (folder / "cpu" / name).write_text(every)
    for core in range(CORES):
        topology = folder / "cpu" / f"cpu{core}" / "topology"
        topology.mkdir(parents=True, exist_ok=True)
        siblings = {"core_siblings": f"{2**CORES - 1:x}\n", "core_siblings_list": every}
        alone = {"thread_siblings_list": f"{core}\n", "core_id": f"{core}\n", "physical_package_id": "0\n"}
        for name, text in (siblings | alone).items():
            (topology / name).write_text(text)


def _cpuinfo(board: Board, bits: int) -> str:
    fields = {
        "BogoMIPS": "108.00",
        "Features": board.features if bits == 64 else _FEATURES_32,
        "CPU implementer": "0x41",
        "CPU architecture": "8" if bits == 64 else "7",
        "CPU variant": board.variant,
        "CPU part": board.part,
        "CPU revision": str(board.step),
    }
    lines = "".join(f"{name}\t: {value}\n" for name, value in fields.items())
    cores = "".join(f"processor\t: {core}\n{lines}\n" for core in range(CORES))
    return f"{cores}Revision\t: {board.revision}\nSerial\t\t: 1000000000000000\nModel\t\t: {board.model}\n"
