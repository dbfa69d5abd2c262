"""Drawing the embedding in two dimensions, and measuring how far the picture can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag._lazy import import_umap
from diag.arrays import frozen
from diag.errors import InvalidInputError
from diag.explain.background import stratified
from diag.io import store
from diag.metrics.groupings import components
from diag.results.comparison import Comparison
from diag.results.embedding_map import EmbeddingMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.results.embedding import Embedding
    from diag.results.evaluation import Evaluation

    Method = Literal["pca", "umap"]

MEASURED = 1000
"""Trustworthiness is measured on at most so many samples."""
NEIGHBOURS = 15
NAMES = {"pca": "Principal components", "umap": "UMAP"}
VERSION = 1


def embedding_map(
    run: Evaluation | Comparison,
    method: Method = "pca",
    n: int = 5000,
    seed: int = 0,
    *,
    embedding: Embedding | None = None,
    cache: bool = True,
) -> EmbeddingMap:
    """Return the features of a network's last layer but one, brought to length 1, in two dimensions.

    Parameters
    ----------
    run : Evaluation or Comparison
        Of several models, the best one's features.
    method : {"pca", "umap"}
        UMAP keeps neighbours together better, takes long, and needs ``pip install diag[umap]``.
    n : int
        Samples, at most. Of more, errors come first, up to half of `n`; the rest is drawn by class.
    seed : int
        For the draw, and for UMAP.
    embedding : Embedding, optional
        Computed when left out.
    cache : bool
        Use and keep embedding and map by content.

    Returns
    -------
    EmbeddingMap

    Raises
    ------
    InvalidInputError
        If the method is unknown or `n` is not positive.
    MissingDependencyError
        If UMAP is asked for and not installed.
    UnsupportedModelError
        If the model has no embedding.

    References
    ----------
    McInnes et al. (2018), UMAP, arXiv 1802.03426. Venna & Kaski (2001), Neighborhood preservation in nonlinear
    projection methods. ICANN, eq. 1 (trustworthiness).

    Examples
    --------
    >>> found = embedding_map(run)  # doctest: +SKIP
    >>> found.frame(run)[["x", "y", "true_class", "right"]]  # doctest: +SKIP
    """
    if method not in NAMES:
        raise InvalidInputError(f"method: expected one of {', '.join(NAMES)}. Received: {method!r}.")
    if n < 1:
        raise InvalidInputError(f"n: expected at least 1. Received: {n}.")
    if isinstance(run, Comparison):
        run = run.run(str(run.table().index[0]))
    if embedding is None:
        from diag.filters.embedding import embed

        embedding = embed(run.model, run.data, cache=cache)
    places, drawn = _drawn(run, embedding.indices, n, seed)
    key = store.content_key(
        result="embedding map",
        version=VERSION,
        method=method,
        model=embedding.model_digest,
        preprocessing=_preprocessing(run),
        data=embedding.data_digest,
        layer=embedding.layer,
        indices=store.array_digest(embedding.indices[places]),
        seed=seed,
        versions=store.versions(("scikit-learn", "umap-learn") if method == "umap" else ("scikit-learn",)),
    )
    kept = store.load("embedding_maps", key) if cache else None
    if kept is None:
        kept = _made(embedding.unit()[places], method, seed)
        if cache:
            store.save("embedding_maps", key, kept)
    explained, trust = kept.arrays["explained"].tolist(), float(kept.arrays["trustworthiness"])
    return EmbeddingMap(
        xy=kept.arrays["xy"],
        indices=frozen(embedding.indices[places]),
        total=len(run),
        method=method,
        explained=(explained[0], explained[1]),
        trustworthiness=trust,
        layer=embedding.layer,
        note=f"{_said(method, explained, trust)} {embedding.note}{drawn}".strip(),
        model_name=run.name,
        model_digest=embedding.model_digest,
        data_digest=run.data.digest,
        seed=seed,
    )


def _preprocessing(run: Evaluation) -> Any:
    preprocessing = getattr(run.model, "preprocessing", None)
    return None if preprocessing is None else preprocessing.to_dict()


def _drawn(run: Evaluation, indices: NDArray[np.int64], n: int, seed: int) -> tuple[NDArray[np.int64], str]:
    """Return places in `indices`, ascending, and what is to be said about them."""
    if len(indices) <= n:
        return np.arange(len(indices)), ""
    rng = np.random.default_rng(seed)
    wrong = np.flatnonzero(~run.correct_mask[indices])
    if len(wrong) > n // 2:
        wrong = rng.choice(wrong, n // 2, replace=False)
    others = np.setdiff1d(np.arange(len(indices)), wrong)
    labels = run.samples["y_true"][indices[others]]
    others = others[stratified(labels, n - len(wrong), seed, len(others))]
    places = np.sort(np.concatenate([wrong, others]))
    note = f" {len(places):,} of {len(run):,} images: {len(wrong):,} errors, and others drawn by class (seed {seed})."
    return places, note


def _made(unit: NDArray[np.float32], method: str, seed: int) -> store.Entry:
    scores, pca = components(unit, seed, most=50 if method == "umap" else 2)
    explained = np.full(2, np.nan)
    if method == "umap" and len(unit) > NEIGHBOURS:
        umap = import_umap()
        flat = umap.UMAP(n_neighbors=NEIGHBOURS, random_state=seed, n_jobs=1).fit_transform(scores)
    else:
        flat = scores[:, :2]
        shares = pca.explained_variance_ratio_[:2]
        explained[: len(shares)] = shares
    xy = np.zeros((len(unit), 2), dtype=np.float32)
    xy[:, : flat.shape[1]] = flat
    arrays = {"xy": frozen(xy), "explained": explained, "trustworthiness": np.array(_trust(unit, xy, seed))}
    return store.Entry(meta={}, arrays=arrays)


def _trust(unit: NDArray[np.float32], xy: NDArray[np.float32], seed: int) -> float:
    if len(unit) < 10:
        return float("nan")
    from sklearn.manifold import trustworthiness

    rows = np.arange(len(unit))
    if len(rows) > MEASURED:
        rows = np.random.default_rng(seed).choice(len(rows), MEASURED, replace=False)
    return float(trustworthiness(unit[rows], xy[rows], n_neighbors=min(NEIGHBOURS, (len(rows) - 1) // 2)))


def _said(method: str, explained: list[float], trust: float) -> str:
    shares = f" with {sum(explained):.0%} of the variance" if method == "pca" and np.isfinite(explained).all() else ""
    head = f"{NAMES[method]}{shares}."
    if not np.isfinite(trust):
        return head
    far = "can be" if trust >= 0.95 else "can mostly be" if trust >= 0.85 else "can hardly be"
    return f"{head} Trustworthiness {trust:.2f}: neighbours in the picture {far} taken for neighbours."
