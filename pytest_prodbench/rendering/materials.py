"""What surfaces are made of: Mitsuba ``principled`` parameters by name. Colours are linear RGB."""

from __future__ import annotations

from typing import Any

Rgb = tuple[float, float, float]


def _metal(colour: Rgb, roughness: float) -> dict[str, Any]:
    return {"base_color": colour, "metallic": 1.0, "roughness": roughness}


def _dull(colour: Rgb, roughness: float = 0.45, specular: float = 0.5) -> dict[str, Any]:
    return {"base_color": colour, "metallic": 0.0, "roughness": roughness, "specular": specular}


MATERIALS: dict[str, dict[str, Any]] = {
    "steel": _metal((0.60, 0.59, 0.57), 0.24),
    "steel_satin": _metal((0.55, 0.54, 0.52), 0.38),
    "steel_forged": _metal((0.40, 0.40, 0.40), 0.48),
    "spring_steel": _metal((0.45, 0.45, 0.46), 0.30),
    "chrome": _metal((0.72, 0.72, 0.72), 0.12),
    "zinc": _metal((0.62, 0.64, 0.66), 0.34),
    "zinc_yellow": _metal((0.70, 0.55, 0.26), 0.34),
    "black_oxide": _metal((0.06, 0.06, 0.065), 0.38),
    "cast_iron": _metal((0.26, 0.26, 0.27), 0.52),
    "aluminium": _metal((0.78, 0.78, 0.79), 0.32),
    "lacquer_silver": {"base_color": (0.58, 0.58, 0.59), "metallic": 0.5, "roughness": 0.42},
    "lacquer_dark": _dull((0.035, 0.035, 0.037), 0.6, 0.2),
    "gold": _metal((0.90, 0.66, 0.30), 0.20),
    "brass": _metal((0.78, 0.58, 0.26), 0.28),
    "copper": _metal((0.82, 0.42, 0.26), 0.26),
    "graphite": _dull((0.045, 0.045, 0.048), 0.55),
    "fibre": _dull((0.28, 0.22, 0.15), 0.75, 0.2),
    "rubber": _dull((0.022, 0.022, 0.024), 0.6, 0.2),
    "ceramic": _dull((0.80, 0.79, 0.75), 0.18),
    "enamel_blue": _dull((0.04, 0.11, 0.30), 0.2),
    "enamel_red": _dull((0.42, 0.04, 0.03), 0.2),
    "plastic_red": _dull((0.50, 0.035, 0.03), 0.35),
    "plastic_blue": _dull((0.03, 0.14, 0.42), 0.35),
    "plastic_yellow": _dull((0.70, 0.45, 0.03), 0.35),
    "plastic_green": _dull((0.05, 0.27, 0.09), 0.35),
    "plastic_brown": _dull((0.16, 0.07, 0.03), 0.35),
    "plastic_grey": _dull((0.30, 0.31, 0.32), 0.4),
    "plastic_black": _dull((0.03, 0.03, 0.033), 0.35),
    "plastic_white": _dull((0.74, 0.73, 0.70), 0.35),
    "nylon_natural": _dull((0.64, 0.57, 0.40), 0.45),
    "nylon_blue": _dull((0.06, 0.20, 0.42), 0.45),
    "leather_brown": _dull((0.15, 0.065, 0.03), 0.5, 0.35),
    "leather_black": _dull((0.025, 0.024, 0.024), 0.45, 0.4),
    "rubber_tan": _dull((0.42, 0.25, 0.12), 0.7, 0.2),
    "rubber_brown": _dull((0.075, 0.038, 0.022), 0.65, 0.2),
    "rubber_fkm": _dull((0.30, 0.11, 0.05), 0.6, 0.25),
    "foam_grey": _dull((0.20, 0.20, 0.21), 0.9, 0.1),
    "rubber_white": _dull((0.66, 0.64, 0.60), 0.65, 0.25),
    "paper": _dull((0.7, 0.7, 0.7), 0.45, 0.4),
    "card": _dull((0.7, 0.7, 0.7), 0.6, 0.25),
    "tin": _dull((0.7, 0.7, 0.7), 0.25, 0.7),
    "dial": _dull((0.7, 0.7, 0.7), 0.3, 0.5),
    # Retail
    "rose_gold": _metal((0.82, 0.50, 0.40), 0.22),
    "gunmetal": _metal((0.13, 0.13, 0.14), 0.30),
    "plastic_teal": _dull((0.03, 0.30, 0.30), 0.3),
    "plastic_cream": _dull((0.62, 0.52, 0.36), 0.35),
    "plastic_pink": _dull((0.60, 0.18, 0.24), 0.35),
    "plastic_orange": _dull((0.62, 0.20, 0.03), 0.35),
    "plastic_violet": _dull((0.17, 0.07, 0.33), 0.35),
    "leather_tan": _dull((0.42, 0.21, 0.085), 0.5, 0.35),
    "leather_red": _dull((0.34, 0.035, 0.03), 0.45, 0.4),
    "leather_navy": _dull((0.03, 0.055, 0.16), 0.45, 0.4),
    "rubber_orange": _dull((0.60, 0.18, 0.03), 0.6, 0.25),
    "rubber_olive": _dull((0.13, 0.15, 0.06), 0.65, 0.2),
    "rubber_blue": _dull((0.04, 0.12, 0.34), 0.6, 0.25),
    "rubber_grey": _dull((0.24, 0.24, 0.25), 0.65, 0.2),
    "thread_white": _dull((0.68, 0.66, 0.62), 0.8, 0.1),
    "thread_red": _dull((0.48, 0.04, 0.03), 0.8, 0.1),
    "thread_black": _dull((0.03, 0.03, 0.032), 0.8, 0.1),
    "horn": _dull((0.30, 0.17, 0.08), 0.3),
    "pearl": _dull((0.64, 0.57, 0.50), 0.2),
    "wood": _dull((0.36, 0.21, 0.10), 0.55, 0.3),
    "glaze_cream": _dull((0.62, 0.55, 0.42), 0.18),
    "glaze_teal": _dull((0.05, 0.24, 0.25), 0.18),
    "glaze_clay": _dull((0.42, 0.16, 0.08), 0.25),
    "glaze_ink": _dull((0.03, 0.05, 0.12), 0.18),
    # Automotive
    "filter_orange": _dull((0.68, 0.117, 0.006), 0.25),
    "filter_navy": _dull((0.007, 0.021, 0.106), 0.25),
    "filter_red": _dull((0.40, 0.008, 0.009), 0.25),
    "filter_green": _dull((0.01, 0.14, 0.045), 0.25),
    "filter_black": _dull((0.012, 0.012, 0.015), 0.25),
    "pleat_paper": _dull((0.56, 0.40, 0.17), 0.7, 0.2),
    "rubber_red": _dull((0.36, 0.03, 0.02), 0.6, 0.2),
    "gasket_blue": _dull((0.03, 0.11, 0.24), 0.6, 0.2),
    "cork": _dull((0.33, 0.19, 0.09), 0.85, 0.1),
    "anodised_red": _metal((0.52, 0.03, 0.03), 0.24),
    "anodised_blue": _metal((0.04, 0.13, 0.50), 0.24),
    "lacquer_black": _dull((0.012, 0.012, 0.013), 0.15),
    "lacquer_bronze": {"base_color": (0.30, 0.17, 0.07), "metallic": 0.6, "roughness": 0.38},
    "friction": _dull((0.10, 0.09, 0.085), 0.85, 0.15),
    "aluminium_cast": _metal((0.46, 0.46, 0.47), 0.42),
}
