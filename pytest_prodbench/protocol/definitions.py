"""The protocol in words; printed in every report, explained in ``docs/protocol.md``."""

from __future__ import annotations

PROTOCOL_VERSION = 2
"""Raised whenever a definition below changes a number."""

DEFINITIONS: tuple[tuple[str, str], ...] = (
    (
        "similarity",
        "Inner product of L2-normalised float32 vectors: the exact sum, rounded once, to the nearest "
        "float32 number or multiple of 2⁻³⁰, whichever is coarser.",
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
        "near tie",
        "A query with a negative whose similarity is so close to the best positive's that float32 "
        "arithmetic could not have told them apart. Counted; decided by exact similarities.",
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
        "instance_gap",
        "category_recall@1 − recall@1: knows what, not which. Less is better.",
    ),
    (
        "map@k",
        "Mean over queries of: sum of the precision at each positive in the first k, divided by "
        "min(k, R), R the number of positives of the query.",
    ),
    ("mrr", "Mean over queries of 1 / rank, over the whole gallery."),
    ("median_rank", "Lower median over queries of the rank. Less is better."),
    (
        "coverage@k, precision@k, mmp@k",
        "Positives among the first k, divided by R, by k, and (among the first min(k, R)) by "
        "min(k, R).",
    ),
    (
        "r_precision, map_at_r, ndcg@k",
        "Positives among the first R, divided by R; sum of the precision at each positive among the "
        "first R, divided by R; binary nDCG, whose ideal list holds all R positives.",
    ),
    (
        "margin",
        "Mean over queries of the best positive's similarity less the best negative's.",
    ),
    (
        "open set",
        "Where queries without a product in the catalog are declared: how well the top score tells "
        "them from the others (auroc, fpr95), and the share of known queries that are accepted and "
        "right when 1 % or 0.1 % of the unknown ones are accepted (dir_far_…).",
    ),
    (
        "verification",
        "Is this the very item? Each query with images of its product (ten at most) against 20 "
        "drawn images of the gallery and 20 of its family: equal error rate, and the share of "
        "genuine pairs accepted when 1 % or 0.1 % of the others are (tar_far_…).",
    ),
    (
        "interval",
        "95 %, with the product as the unit of sampling, because photos of one product are "
        "correlated: Wilson's with the effective number of queries for shares, bias-corrected "
        "accelerated bootstrap for other means, percentile bootstrap for the rest.",
    ),
    (
        "smallest drop shown",
        "The worsening that these queries would have shown with power 80 % (one-sided, 95 %), if the "
        "other model erred independently. A smaller one may be there and not be seen.",
    ),
    (
        "every query counts",
        "A query without a positive is an error unless the dataset is declared open_set; then it is "
        "counted apart, never dropped and never scored 1.",
    ),
)
