"""Compare the time of a training step with that of PyTorch, alternating.

python benchmarks/step_speed.py --torch PYTHON [--size 128] [--batch 16] [--network slim] [--rounds 5] [--steps 20]
    [--kernel_library results/training_kernels/build/libtraining_kernels.so]

PYTHON is an interpreter that has PyTorch. Both train the same network on the same kind of batch, from uint8 images in
memory to the update of SGD with momentum; the loss of PyTorch's is one of the same terms, but without the search for
predictions to ignore. With a kernel library, MindSpore has the operators of train.cpu_kernels onednn. Prints the median
of each round's mean time of a step in ms, and their ratio. Nothing else should run on the host.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

CLASSES = 3
BOXES = 8
NETWORKS = {
    "full": ((64, 128, 256, 512, 1024), (1, 2, 8, 8, 4)),
    "slim": ((16, 32, 64, 128, 256), (1, 1, 2, 2, 1)),
}


def images_of(size: int, batch: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)


def mindspore_step(size: int, batch: int, name: str, kernel_library: Path | None) -> Callable[[], object]:
    from argparse import Namespace

    from mindspore import Tensor

    from yolov3.config.config import complete_config
    from yolov3.config.options import settings_from
    from yolov3.distributed.worker import start_runtime
    from yolov3.network.grid import prediction_grid
    from yolov3.network.settings import NetworkSettings
    from yolov3.network.yolo import YOLOv3
    from yolov3.training.loss import LossSettings, YoloLoss
    from yolov3.training.optimizer import OptimizerSettings, new_optimizer
    from yolov3.training.step import ForwardLoss, TrainStep, set_training
    from yolov3.training.targets import assign_targets

    start_runtime("CPU", 1)
    options = Namespace(**complete_config({})["train"])
    anchors = tuple((float(side), float(side)) for side in np.linspace(0.08, 0.9, 9) * size)
    network = YOLOv3(NetworkSettings(*NETWORKS[name], anchors, tuple("abcdefgh"[:CLASSES])))
    loss = YoloLoss(CLASSES, settings_from(LossSettings, options))
    optimizer = new_optimizer(network, np.full(10000, 1e-4, np.float32), settings_from(OptimizerSettings, options))
    step = TrainStep(ForwardLoss(network, loss, 1.0, kernel_library=kernel_library), optimizer, 1)
    set_training(step)
    rng = np.random.default_rng(1)
    targets = []
    for _ in range(batch):
        corners = rng.uniform(0, size / 2, (BOXES, 2))
        boxes_xyxy = np.concatenate([corners, corners + rng.uniform(4, size / 2, (BOXES, 2))], 1).astype(np.float32)
        targets.append(assign_targets(boxes_xyxy, np.arange(BOXES) % CLASSES, (size, size), anchors, CLASSES))
    stacked = [np.stack([getattr(target, key) for target in targets]) for key in vars(targets[0])]
    grid = Tensor(np.array(prediction_grid((size, size), anchors)))
    images = images_of(size, batch)
    return lambda: step(Tensor(images), grid, *map(Tensor, stacked)).asnumpy()


def torch_step(size: int, batch: int, name: str) -> Callable[[], object]:
    import torch
    from torch import nn
    from torch.nn import functional

    def block(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1, inplace=True))

    class Residual(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.body = nn.Sequential(block(channels, channels // 2, 1), block(channels // 2, channels, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.body(x)

    class Branch(nn.Module):
        def __init__(self, inputs: int, channels: int) -> None:
            super().__init__()
            sizes = [(inputs, channels, 1), (channels, 2 * channels, 3), (2 * channels, channels, 1)]
            sizes += [(channels, 2 * channels, 3), (2 * channels, channels, 1)]
            self.neck = nn.Sequential(*(block(*each) for each in sizes))
            self.head = nn.Sequential(block(channels, 2 * channels, 3), nn.Conv2d(2 * channels, 3 * (5 + CLASSES), 1))

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            route = self.neck(x)
            return route, self.head(route)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            channels, blocks = NETWORKS[name]
            self.root = block(3, channels[0] // 2, 3)
            self.stages = nn.ModuleList(
                nn.Sequential(block(inputs, outputs, 3, 2), *(Residual(outputs) for _ in range(count)))
                for inputs, outputs, count in zip((channels[0] // 2, *channels), channels, blocks, strict=False)
            )
            c8, c16, c32 = channels[-3:]
            self.branches = nn.ModuleList(
                [Branch(c32, c32 // 2), Branch(c32 // 4 + c16, c16 // 2), Branch(c16 // 4 + c8, c8 // 2)]
            )
            self.reduces = nn.ModuleList([block(c32 // 2, c32 // 4, 1), block(c16 // 2, c16 // 4, 1)])

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            features = [x := stage(x) for stage in [self.root, *self.stages]]
            x, raw_maps = features[-1], []
            for number, branch in enumerate(self.branches):
                route, raw = branch(x)
                raw_maps.append(raw)
                if number < 2:
                    upper = functional.interpolate(self.reduces[number](route), scale_factor=2, mode="nearest")
                    x = torch.cat((upper, features[-2 - number]), 1)
            return raw_maps

    network = Network().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(network.parameters(), 1e-4, momentum=0.9, weight_decay=5e-4)
    predictions = sum(3 * (size // stride) ** 2 for stride in (8, 16, 32))
    generator = torch.Generator().manual_seed(1)
    responsible = (torch.rand((batch, predictions), generator=generator) < BOXES / predictions).float()
    targets = torch.rand((batch, predictions, 4 + CLASSES), generator=generator)
    mean, std = (
        torch.tensor(values).view(1, 3, 1, 1) * 255 for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    images = images_of(size, batch)

    def step() -> float:
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        raw = torch.cat(
            [
                one.permute(0, 2, 3, 1).reshape(batch, -1, 5 + CLASSES)
                for one in network(((pixels - mean) / std).contiguous(memory_format=torch.channels_last))
            ],
            1,
        )
        cross_entropy = functional.binary_cross_entropy_with_logits
        terms = [
            (responsible * cross_entropy(raw[..., :2], targets[..., :2], reduction="none").sum(-1)).sum(),
            (responsible * (raw[..., 2:4] - targets[..., 2:4]).square().sum(-1)).sum() / 2,
            cross_entropy(raw[..., 4], responsible, reduction="sum"),
            (responsible * cross_entropy(raw[..., 5:], targets[..., 4:], reduction="none").sum(-1)).sum(),
        ]
        loss = sum(terms) / batch
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def time_steps(step: Callable[[], object], steps: int) -> float:
    """Return the mean seconds of a step, without the first ones, which compile and allocate."""
    for _ in range(3):
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", type=Path, help="a Python interpreter with PyTorch")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--network", choices=NETWORKS, default="slim")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--kernel_library", type=lambda text: Path(text).resolve())
    parser.add_argument("--run", choices=["mindspore", "torch"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        shape = arguments.size, arguments.batch, arguments.network
        is_ours = arguments.run == "mindspore"
        step = mindspore_step(*shape, arguments.kernel_library) if is_ours else torch_step(*shape)
        print(time_steps(step, arguments.steps))
        return
    if arguments.torch is None:
        parser.error(
            "--torch is needed: a Python interpreter with PyTorch (pip install torch, in an environment of its own)"
        )
    options = [
        word for name in ("size", "batch", "network", "steps") for word in (f"--{name}", str(getattr(arguments, name)))
    ]
    if arguments.kernel_library:
        options += ["--kernel_library", str(arguments.kernel_library)]
    times: dict[str, list[float]] = {"mindspore": [], "torch": []}
    for _ in range(arguments.rounds):
        for run, python in (("mindspore", sys.executable), ("torch", arguments.torch)):
            command = [str(python), __file__, "--run", run, *options]
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            times[run].append(float(printed.split()[-1]))
    ours, theirs = (1000 * statistics.median(times[run]) for run in ("mindspore", "torch"))
    print(f"step: {ours:.0f} ms, of PyTorch: {theirs:.0f} ms, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
