"""`training.lstsq.residual` by the CUDA kernel: loss and gradient in depth from one launch, for large batches."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engines.errors import EngineError
from engines.lstsq import cuda


def residual(source: Tensor, depth: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """(B,) weighted sum of squared residuals of the best affine from (source, depth) to the target.

    Only depth has a gradient. A flat depth leaves the 2D affine's residual and a gradient of 0; the residual of a face
    that has no affine (`engines.lstsq.rules`) is NaN.

    Args:
        source: (B, K, 2), on a CUDA device as all of them.
        depth: (B, K).
        target: (B, K, 2).
        weights: (B, K) ≥ 0, or None for all 1.

    Raises:
        EngineError: as `engines.lstsq.cuda.solver`; or a gradient is wanted of something but depth.
    """
    if any(tensor is not None and tensor.requires_grad for tensor in (source, target, weights)):
        raise EngineError("The CUDA residual has a gradient in depth alone: take training.lstsq.residual for others.")
    loss: Tensor = _Residual.apply(source, depth, target, weights)
    return loss


class _Residual(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, source: Tensor, depth: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
        points = torch.cat([source, depth[..., None]], dim=-1).float().contiguous()
        goal = target.float().contiguous()
        heavy = None if weights is None else weights.float().contiguous()
        affines, losses, gradients = (
            points.new_empty(shape) for shape in ((len(points), 2, 4), (len(points),), depth.shape)
        )
        # the kernel runs on CUDA's default stream, which must come after what torch has queued, and before what it will
        ours, default = torch.cuda.current_stream(points.device), torch.cuda.default_stream(points.device)
        default.wait_stream(ours)
        cuda.solver(points.device.index).launch(points, goal, heavy, 0.0, affines, losses=losses, gradients=gradients)
        ours.wait_stream(default)
        ctx.save_for_backward(gradients)
        return losses

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[None, Tensor, None, None]:
        (gradients,) = ctx.saved_tensors
        return None, slope[:, None] * gradients, None, None
