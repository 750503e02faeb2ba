"""The protocol in words; printed in every report, explained in ``docs/protocol.md``."""

from __future__ import annotations

PROTOCOL_VERSION = 3
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
        "near ties",
        "A query with a negative whose similarity is so close to the best positive's that two correct "
        "float32 libraries may disagree on which is higher: within twice the error bound of a float32 "
        "inner product. Counted; decided by exact similarities.",
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
        "category_recall@1 − recall@1 of a query, averaged over the queries that define both: knows "
        "what, not which. Less is better.",
    ),
    (
        "map@k",
        "Mean over queries of: sum of the precision at each positive in the first k, divided by "
        "min(k, R), R the number of positives of the query.",
    ),
    ("mrr", "Mean over queries of 1 / rank, over the whole gallery."),
    ("median_rank", "Lower median over queries of the rank. Less is better."),
    ("coverage@k", "Share of a query's R positives that are among the first k."),
    ("precision@k", "Share of positives among the first k."),
    ("mmp@k", "Share of positives among the first min(k, R)."),
    ("r_precision", "Share of positives among the first R."),
    (
        "map_at_r",
        "Sum of the precision at each positive among the first R, divided by R.",
    ),
    ("oxford_map", "Area below precision over recall by trapezoids, over all ranks."),
    (
        "ndcg@k",
        "Normalised discounted cumulative gain with binary gains; the ideal list holds all positives.",
    ),
    ("margin", "Similarity of the best positive less that of the best negative."),
    (
        "auroc",
        "Open set: chance that the top score of a query whose product is in the catalog exceeds that "
        "of one whose product is not; ties count half.",
    ),
    (
        "fpr95",
        "Open set: share of unknown queries accepted at the top score that accepts 95 % of the known "
        "ones. Less is better.",
    ),
    (
        "dir_far_1pct, dir_far_01pct",
        "Open set: share of known queries that are accepted and right at rank 1 when at most 1 % "
        "(0.1 %) of the unknown ones are accepted. Not stated with fewer than 100 (1,000) unknown ones.",
    ),
    (
        "eer",
        "Verification, is this the very item?: the rate at which wrong pairs are accepted where it "
        "equals that of genuine pairs refused. Pairs: each query with images of its product (ten at "
        "most), and with 20 drawn images of the gallery and 20 of its family. Less is better.",
    ),
    (
        "tar_far_1pct, tar_far_01pct",
        "Verification: share of genuine pairs accepted when at most 1 % (0.1 %) of the wrong ones are. "
        "Not stated with fewer than 100 (1,000) wrong ones.",
    ),
    (
        "eer_alike, tar_far_1pct_alike, tar_far_01pct_alike",
        "The same against look-alikes alone: wrong pairs of one family.",
    ),
    (
        "ece",
        "How far the confidence in the first hit, a logistic function of its score fitted on the other "
        "half of the queries, is from how often it is right: 15 bins of equal weight. Less is better.",
    ),
    (
        "threshold_p99, answered_p99",
        "Least top score at and above which 99 % of the first hits are right; share of queries that "
        "it leaves answered.",
    ),
    (
        "recall_10x@k, recall_100x@k",
        "recall@k extrapolated to a gallery of 10 (100) times the size, under the assumption that is "
        "printed with the curve.",
    ),
    (
        "interval",
        "95 %, with the product as the unit of sampling, because photos of one product are "
        "correlated: Wilson's with the effective number of queries for shares, bias-corrected "
        "accelerated bootstrap for other means, percentile bootstrap for the rest, and ways of their "
        "own for ece and the threshold of 99 % precision, which the bootstrap cannot judge.",
    ),
    (
        "smallest drop shown",
        "The worsening that these queries would have shown with power 80 % (one-sided, 95 %), if the "
        "other model erred independently. A smaller one may be there and not be seen.",
    ),
    (
        "every query counts",
        "A query without a positive is an error unless the dataset is declared open_set; then it is "
        "counted apart, never dropped, and no hit of its product. Means over hits of the product leave "
        "it out; category_recall and metrics about unknown queries do not.",
    ),
)
