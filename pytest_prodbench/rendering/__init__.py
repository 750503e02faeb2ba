"""Catalogs and queries rendered from CAD geometry: parts, a balanced design, path-traced pictures.

Shapes come from builders (:mod:`parts`) or from STEP and STL files (:mod:`cad`). Every picture is planned
from a seed (:mod:`design`, :mod:`pictures`), composed so that it shows what tells its product from the
look-alikes (:mod:`composing`, :mod:`telling`), lit and photographed (:mod:`scene`, :mod:`camera`), and
entered into a manifest with digests (:mod:`catalog`).

numpy and Pillow do the planning; Mitsuba (``pip install 'pytest-prodbench[render]'``) traces paths.
"""

RECIPE = 2
"""Raised when light, ground, camera or placing change: every image is then made again."""
