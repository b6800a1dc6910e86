"""Published families of networks for images of 32 x 32, written as their authors' code does it, of any width."""

import torch
from torch import nn
from torch.nn import functional


def unit(n_in, n_out, kernel=3, stride=1, groups=1, act=nn.ReLU):
    layers = [nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(n_out)]
    return nn.Sequential(*layers, *([act()] if act else []))


class BasicBlock(nn.Module):
    """Residual block of He et al. (2016)."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.first, self.second = unit(n_in, n_out, 3, stride), unit(n_out, n_out, act=None)
        same = (n_in, 1) == (n_out, stride)
        self.shortcut = nn.Identity() if same else unit(n_in, n_out, 1, stride, act=None)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.second(self.first(x))
        out += self.shortcut(x)
        return self.relu(out)


def resnet18(width=64):
    blocks, n_in = [unit(3, width)], width
    for k in range(4):
        for stride in (1 if k == 0 else 2, 1):
            blocks.append(BasicBlock(n_in, width * 2**k, stride))
            n_in = width * 2**k
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(n_in, 10))


class InvertedResidual(nn.Module):
    """Linear bottleneck of Sandler et al. (2018)."""

    def __init__(self, n_in, n_out, stride, expand):
        super().__init__()
        hidden = n_in * expand
        layers = [unit(n_in, hidden, 1, act=nn.ReLU6)] if expand != 1 else []
        layers += [unit(hidden, hidden, 3, stride, hidden, act=nn.ReLU6), unit(hidden, n_out, 1, act=None)]
        self.conv, self.residual = nn.Sequential(*layers), stride == 1 and n_in == n_out

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)


def mobilenet_v2(width=1.0):
    settings = (
        (1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    )  # fmt: skip
    n_in = max(4, int(32 * width))
    layers = [unit(3, n_in, act=nn.ReLU6)]
    for expand, n_out, repeats, stride in settings:
        n_out = max(4, int(n_out * width))
        for k in range(repeats):
            layers.append(InvertedResidual(n_in, n_out, stride if k == 0 else 1, expand))
            n_in = n_out
    last = max(16, int(1280 * width))
    layers += [unit(n_in, last, 1, act=nn.ReLU6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2)]
    return nn.Sequential(*layers, nn.Linear(last, 10))


def shuffled(x, groups):
    n, channels, rows, columns = x.size()
    x = x.view(n, groups, channels // groups, rows, columns)
    return torch.transpose(x, 1, 2).contiguous().view(n, channels, rows, columns)


class ShuffleUnit(nn.Module):
    """Unit of Ma et al. (2018)."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.stride, half = stride, n_out // 2
        if stride > 1:
            self.left = nn.Sequential(unit(n_in, n_in, 3, stride, n_in, act=None), unit(n_in, half, 1))
        n_right = n_in if stride > 1 else half
        self.right = nn.Sequential(
            unit(n_right, half, 1), unit(half, half, 3, stride, half, act=None), unit(half, half, 1)
        )

    def forward(self, x):
        if self.stride == 1:
            a, b = x.chunk(2, dim=1)
            return shuffled(torch.cat((a, self.right(b)), dim=1), 2)
        return shuffled(torch.cat((self.left(x), self.right(x)), dim=1), 2)


def shufflenet_v2(widths=(24, 116, 232, 464, 1024), repeats=(4, 8, 4)):
    layers, n_in = [unit(3, widths[0])], widths[0]
    for n_out, count in zip(widths[1:], repeats, strict=False):
        for k in range(count):
            layers.append(ShuffleUnit(n_in, n_out, 2 if k == 0 else 1))
            n_in = n_out
    layers.append(unit(n_in, widths[-1], 1))

    class Mean(nn.Module):
        def forward(self, x):
            return x.mean([2, 3])

    return nn.Sequential(*layers, Mean(), nn.Linear(widths[-1], 10))


class DenseLayer(nn.Module):
    """Layer of Huang et al. (2017), in the order in which spikes can express it: convolution, norm, ReLU."""

    def __init__(self, n_in, growth):
        super().__init__()
        self.conv = unit(n_in, growth)

    def forward(self, x):
        return torch.cat([x, self.conv(x)], 1)


class PreActivated(nn.Module):
    """Layer of Huang et al. (2017) in their own order: norm, ReLU, convolution."""

    def __init__(self, n_in, growth):
        super().__init__()
        self.bn, self.conv = nn.BatchNorm2d(n_in), nn.Conv2d(n_in, growth, 3, padding=1, bias=False)

    def forward(self, x):
        return torch.cat([x, self.conv(functional.relu(self.bn(x)))], 1)


def densenet(depth=40, growth=12, layer=PreActivated):
    n_in, count = 2 * growth, (depth - 4) // 3
    layers = [nn.Conv2d(3, n_in, 3, padding=1, bias=False)]
    for k in range(3):
        for _ in range(count):
            layers.append(layer(n_in, growth))
            n_in += growth
        if k < 2:
            layers += [nn.BatchNorm2d(n_in), nn.ReLU(), nn.Conv2d(n_in, n_in, 1, bias=False), nn.AvgPool2d(2)]
    layers += [nn.BatchNorm2d(n_in), nn.ReLU(), nn.AvgPool2d(8), nn.Flatten(), nn.Linear(n_in, 10)]
    return nn.Sequential(*layers)


class Inception(nn.Module):
    """Module of Szegedy et al. (2015)."""

    def __init__(self, n_in, one, reduce3, three, reduce5, five, pooled):
        super().__init__()
        self.one = unit(n_in, one, 1)
        self.three = nn.Sequential(unit(n_in, reduce3, 1), unit(reduce3, three))
        self.five = nn.Sequential(unit(n_in, reduce5, 1), unit(reduce5, five, 5))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), unit(n_in, pooled, 1))

    def forward(self, x):
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], 1)


def googlenet(scale=1):
    def inception(n_in, *sizes):
        return Inception(n_in // scale, *(n // scale for n in sizes))

    return nn.Sequential(
        unit(3, 192 // scale), inception(192, 64, 96, 128, 16, 32, 32), inception(256, 128, 128, 192, 32, 96, 64),
        nn.MaxPool2d(3, 2, ceil_mode=True), inception(480, 192, 96, 208, 16, 48, 64),
        inception(512, 160, 112, 224, 24, 64, 64), inception(512, 128, 128, 256, 24, 64, 64),
        nn.MaxPool2d(3, 2, ceil_mode=True), inception(512, 256, 160, 320, 32, 128, 128),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4), nn.Linear(832 // scale, 10),
    )  # fmt: skip


class UNet(nn.Module):
    """Network of Ronneberger et al. (2015), with padding, for images of 32 x 32."""

    def __init__(self, width=16, bilinear=True, n_out=2):
        super().__init__()
        self.down = nn.ModuleList([self.pair(3 if k == 0 else width * 2 ** (k - 1), width * 2**k) for k in range(4)])
        if bilinear:
            self.up = nn.ModuleList([
                nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
                              nn.Conv2d(width * 2**k, width * 2 ** (k - 1), 1)) for k in (3, 2, 1)
            ])  # fmt: skip
        else:
            self.up = nn.ModuleList([nn.ConvTranspose2d(width * 2**k, width * 2 ** (k - 1), 2, 2) for k in (3, 2, 1)])
        self.joined = nn.ModuleList([self.pair(width * 2**k, width * 2 ** (k - 1)) for k in (3, 2, 1)])
        self.end = nn.Conv2d(width, n_out, 1)

    @staticmethod
    def pair(n_in, n_out):
        return nn.Sequential(unit(n_in, n_out), unit(n_out, n_out))

    def forward(self, x):
        kept = []
        for k, block in enumerate(self.down):
            x = block(x if k == 0 else functional.max_pool2d(x, 2))
            kept.append(x)
        for up, block, skip in zip(self.up, self.joined, kept[-2::-1], strict=True):
            x = up(x)
            assert x.shape[2:] == skip.shape[2:]
            x = block(torch.cat([skip, x], dim=1))
        return self.end(x)


FULL = {
    "ResNet-18": resnet18,
    "MobileNetV2": mobilenet_v2,
    "ShuffleNetV2": shufflenet_v2,
    "DenseNet-40": densenet,
    "GoogLeNet": googlenet,
    "U-Net, bilinear": lambda: UNet(64),
    "U-Net, transposed": lambda: UNet(64, bilinear=False),
}
SMALL = {
    "ResNet-18": lambda: resnet18(4),
    "MobileNetV2": lambda: mobilenet_v2(0.125),
    "ShuffleNetV2": lambda: shufflenet_v2((4, 8, 12, 16, 16), (2, 3, 2)),
    "DenseNet": lambda: densenet(13, 4),
    "GoogLeNet": lambda: googlenet(16),
    "U-Net, bilinear": lambda: UNet(2),
    "U-Net, transposed": lambda: UNet(2, bilinear=False),
}
