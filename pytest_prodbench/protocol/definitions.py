"""The protocol in words; printed in every report, explained in ``docs/protocol.md``."""

from __future__ import annotations

PROTOCOL_VERSION = 1
"""Raised whenever a definition below changes a number."""

DEFINITIONS: tuple[tuple[str, str], ...] = (
    (
        "similarity",
        "Inner product of L2-normalised float32 vectors, as a float32 number. Where the float32 "
        "arithmetic of a backend cannot tell two scores apart, both are computed again in float64 "
        "and rounded to float32 once.",
    ),
    (
        "no post-processing",
        "No re-ranking, no query expansion, no whitening, no test-time augmentation.",
    ),
    (
        "exclusion",
        "A gallery image that is the query itself (same file, or same decoded pixels), or that "
        "shares the query's exclusion group, is taken out before ranking; never by rank.",
    ),
    (
        "rank",
        "Rank of the query's best positive among the gallery images it may match, 1 is best. "
        "Ties are pessimistic: every tied negative goes first. The optimistic rank stands beside it.",
    ),
    (
        "recall@k",
        "1 if a positive is among the first k images, else 0; averaged over queries.",
    ),
    (
        "product_recall@k",
        "1 if the query's product is among the first k distinct products, else 0; a product ranks "
        "by its best image.",
    ),
    (
        "category_recall@k",
        "1 if an image of the query's family is among the first k images, else 0.",
    ),
    (
        "map@k",
        "Mean over queries of: sum of the precision at each positive in the first k, divided by "
        "min(k, R), R the number of positives of the query.",
    ),
    ("mrr", "Mean over queries of 1 / rank, over the whole gallery."),
    (
        "interval",
        "95 % percentile bootstrap; products are resampled, not photos, because photos of one "
        "product are correlated.",
    ),
    (
        "every query counts",
        "A query without a positive is an error unless the dataset is declared open_set; then it is "
        "counted apart, never dropped and never scored 1.",
    ),
)
