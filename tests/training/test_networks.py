"""The networks where they train, and what the shipped graph makes of them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from training.networks import BSHM, ConvBN  # noqa: E402


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (3, 2), (5, 2)])
def test_a_depthwise_layer_learns_the_same_in_bfloat16(kernel, stride):
    torch.manual_seed(0)
    layer = ConvBN(16, 16, kernel, stride, groups=16).eval()
    photo = torch.randn(2, 16, 12, 12).to(memory_format=torch.channels_last).requires_grad_()

    def slopes(bf16: bool) -> list[torch.Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = (layer(photo).float() ** 2).mean()
        return list(torch.autograd.grad(loss, [photo, *layer.parameters()]))

    for rough, exact in zip(slopes(True), slopes(False)):
        assert rough.dtype == exact.dtype
        assert (rough - exact).norm() < 0.02 * exact.norm()


def test_bands_of_rows_give_the_same_alpha():
    torch.manual_seed(0)
    model = BSHM("lite0").eval()
    photo = torch.rand(1, 3, 192, 128) * 255
    with torch.no_grad():
        *_, alpha, _ = model.stages(photo)
        assert torch.equal(model(photo), alpha)
    assert alpha.std() > 0.01  # at an even alpha, misplaced rows would not show
