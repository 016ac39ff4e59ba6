"""A second network with the parameters of the first, to compute the same in another way."""

from yolov3.network.yolo import YOLOv3


def twin_of(network: YOLOv3) -> YOLOv3:
    """Return a network with the very parameters of `network`, whose cells can be replaced without changing that."""
    twin = type(network)(network.settings)
    for (_, cell), (_, copy) in zip(network.cells_and_names(), twin.cells_and_names(), strict=True):
        for name, parameter in cell.parameters_and_names(expand=False):
            setattr(copy, name, parameter)
    return twin
