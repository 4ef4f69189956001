"""Display names of metrics and colours of curves, shared by the report and the plots."""

from __future__ import annotations

METRIC_LABELS = {
    "lpips_alex": "LPIPS (AlexNet)",
    "lpips_squeeze": "LPIPS (SqueezeNet)",
    "lpips_vgg": "LPIPS (VGG)",
    "dists": "DISTS",
    "psnr_db": "PSNR (dB)",
    "ms_ssim": "MS-SSIM",
    "niqe": "NIQE",
    "colour_de": "Colour of even areas (CIEDE2000)",
    "colour_de_95": "Colour of even areas, 95th percentile (CIEDE2000)",
    "fid": "FID (256 px patches)",
    "kid": "KID (256 px patches)",
    "inception_score": "Inception Score (256 px patches)",
    "lpips_alex_shift": "LPIPS (AlexNet), shifted by half a pixel",
    "lpips_alex_rescale": "LPIPS (AlexNet), rescaled by 0.9",
    "lpips": "LPIPS (network not stated)",
}
"""Labels by metric name, in display order."""

# Distinguishable with every common kind of colour blindness (after Okabe and Ito, darkened for white paper).
COLOURS = (
    *("#1f5fbf", "#d9730d", "#0a8f68", "#b5368c", "#8a6d00"),
    *("#3aa3d8", "#c0392b", "#6b5bb5", "#5d6a78", "#7a9a1f"),
)


def metric_label(metric: str) -> str:
    """Return the display name of a metric, or its own name if it has no label."""
    return METRIC_LABELS.get(metric, metric)


def in_order(metrics: tuple[str, ...]) -> list[str]:
    """Sort metrics into display order; metrics without a label come last."""
    order = list(METRIC_LABELS)
    return sorted(metrics, key=lambda metric: order.index(metric) if metric in order else len(order))
