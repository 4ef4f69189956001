"""How metrics are called where people read them, and in what colours curves are drawn: the same in report and plots."""

from __future__ import annotations

METRIC_LABELS = {
    "lpips_alex": "LPIPS (AlexNet)",
    "lpips_squeeze": "LPIPS (SqueezeNet)",
    "lpips_vgg": "LPIPS (VGG)",
    "dists": "DISTS",
    "psnr_db": "PSNR (dB)",
    "ms_ssim": "MS-SSIM",
    "niqe": "NIQE",
    "fid": "FID (256 px patches)",
    "kid": "KID (256 px patches)",
    "inception_score": "Inception Score (256 px patches)",
    "lpips_alex_shift": "LPIPS (AlexNet), shifted by half a pixel",
    "lpips_alex_rescale": "LPIPS (AlexNet), rescaled by 0.9",
    "lpips": "LPIPS (network not stated)",
}
"""In the order in which they are shown."""

# Told apart with every common kind of colour blindness (after Okabe and Ito, darkened for white paper).
COLOURS = (
    *("#1f5fbf", "#d9730d", "#0a8f68", "#b5368c", "#8a6d00"),
    *("#3aa3d8", "#c0392b", "#6b5bb5", "#5d6a78", "#7a9a1f"),
)


def metric_label(metric: str) -> str:
    """What a metric is called; its own name where it has no other."""
    return METRIC_LABELS.get(metric, metric)


def in_order(metrics: tuple[str, ...]) -> list[str]:
    """Metrics in the order in which they are shown; those without a label last."""
    order = list(METRIC_LABELS)
    return sorted(metrics, key=lambda metric: order.index(metric) if metric in order else len(order))
