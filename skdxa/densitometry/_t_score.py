"""T-scores, and the populations that they refer to."""

from dataclasses import dataclass, field

import numpy as np

from skdxa.densitometry._numbers import ROUNDING, as_floats, decide, first_place, same_kind

_SYNONYMS = {"lumbar": "spine", "lumbar_spine": "spine", "neck": "femoral_neck"}
# No region of bone is denser on any densitometer; mg/cm2 are a thousand times larger.
_LARGEST_BMD = 5.0


@dataclass(frozen=True)
class ReferencePopulation:
    """Young adults whose mean and standard deviation define a T-score.

    Attributes
    ----------
    name : str
        Name that is printed next to every T-score.
    sex : {"F", "M"}
        Sex of the population.
    sites : dict of str to tuple of float
        Mean and standard deviation of areal density in g/cm2 at every site, such as
        ``{"spine": (1.20, 0.12)}``. The names used here are ``"spine"``, ``"hip"``,
        ``"femoral_neck"`` and ``"total_hip"``; ``"lumbar"`` and ``"lumbar_spine"`` mean
        the spine, ``"neck"`` the femoral neck.
    device : str
        The make of densitometer for which the figures hold; those of others differ by up to
        20 %.
    source : str
        The publication, or the report of your densitometer, from which the figures come.

    See Also
    --------
    t_score : Use a reference population.

    Notes
    -----
    The International Society for Clinical Densitometry asks for NHANES III at the hip, for
    the manufacturer's own data at the spine, and for women's data in both sexes; local data
    are for Z-scores [1]_. The values for the spine are printed on your densitometer's report:
    make a reference population of them, as in the example. If no Hologic report is available,
    ``NHANES_2005_WOMEN`` has the spines of young American women on such densitometers; it is
    not a manufacturer's reference.

    References
    ----------
    .. [1] International Society for Clinical Densitometry, "2019 ISCD Official Positions:
       Adult".

    Examples
    --------
    >>> from skdxa.densitometry import ReferencePopulation
    >>> clinic = ReferencePopulation(
    ...     name="manufacturer, women", sex="F", sites={"lumbar_spine": (1.18, 0.12)},
    ...     device="that of the clinic", source="printed on the report",
    ... )
    >>> clinic.mean_and_sd("spine")
    (1.18, 0.12)
    """

    name: str
    sex: str
    sites: dict = field(hash=False)
    device: str
    source: str

    def __post_init__(self):
        if self.sex not in ("F", "M"):
            raise ValueError(f'sex must be "F" or "M"; got {self.sex!r}.')
        sites = {}
        for site, figures in dict(self.sites).items():
            try:
                mean, sd = (float(figure) for figure in figures)
            except (TypeError, ValueError):
                mean = sd = np.nan
            if not (0 < mean <= _LARGEST_BMD and 0 < sd < mean):
                raise ValueError(
                    f"{self.name}, {site}: must be (mean, standard deviation) in g/cm2, such as "
                    f"(1.20, 0.12); got {figures!r}."
                )
            sites[_SYNONYMS.get(site, site)] = (mean, sd)
        object.__setattr__(self, "sites", sites)

    def mean_and_sd(self, site):
        """Return the mean and the standard deviation of a site.

        Parameters
        ----------
        site : str
            One of `sites`, or a synonym of it.

        Returns
        -------
        mean, sd : float
            In g/cm2.

        Raises
        ------
        ValueError
            If the population has no figures for this site; the message lists those it has.
        """
        try:
            return self.sites[_SYNONYMS.get(site, site)]
        except (KeyError, TypeError):
            raise ValueError(
                f"{self.name} has no figures for the site {site!r}; it has them for "
                f"{', '.join(self.sites)}."
            ) from None


FINNISH_WOMEN = ReferencePopulation(
    name="Finnish women (Kröger et al. 1992)",
    sex="F",
    sites={
        "spine": (1.20, 0.12),
        "hip": (0.98, 0.12),
        "femoral_neck": (0.98, 0.12),
        "total_hip": (0.98, 0.12),
    },
    device="GE Lunar",
    source=(
        "H. Kröger et al., Dual-energy X-ray absorptiometry in normal women: a cross-sectional "
        "study of 717 Finnish volunteers, Osteoporosis International 2, 135-140, 1992; figures "
        "as in T. Nissinen et al., Bone Reports 14, 101070, 2021, where those of the hip serve "
        "for the femoral neck and the total hip alike"
    ),
)

NHANES_III_WOMEN = ReferencePopulation(
    name="NHANES III, white women aged 20-29 (Looker et al. 1998)",
    sex="F",
    sites={"femoral_neck": (0.858, 0.120), "total_hip": (0.942, 0.122)},
    device="Hologic",
    source=(
        "A. C. Looker et al., Updated data on proximal femur bone mineral levels of US adults, "
        "Osteoporosis International 8, 468-489, 1998"
    ),
)

NHANES_2005_WOMEN = ReferencePopulation(
    name="NHANES 2005-2008, young white women (Looker et al. 2012)",
    sex="F",
    sites={"spine": (1.064, 0.106)},
    device="Hologic",
    source=(
        "A. C. Looker et al., Lumbar spine and proximal femur bone mineral density, bone mineral "
        "content, and bone area: United States, 2005-2008, National Center for Health "
        "Statistics, 2012; figures as quoted by Y. X. J. Wáng and B. H. Xiao, Quantitative "
        "Imaging in Medicine and Surgery 12, 4346-4360, 2022, Table 1"
    ),
)


def t_score(bmd, reference, *, site):
    """Express areal density in standard deviations from the mean of a reference population.

    Parameters
    ----------
    bmd : float, array-like, Series or DataFrame
        Areal densities in g/cm2, all of one site; NaN where not measured.
    reference : ReferencePopulation
        The population to compare with, such as ``FINNISH_WOMEN``. There is no default,
        since a T-score is meaningless without it.
    site : str
        A site of the reference: ``"spine"``, ``"hip"``, ``"femoral_neck"`` or
        ``"total_hip"``. Single vertebrae are compared with the spine.

    Returns
    -------
    t_scores : float, ndarray, Series or DataFrame
        The kind, index and columns of `bmd`, in float64 also where `bmd` is float32; NaN
        stays NaN. ``attrs`` of a Series or DataFrame name the reference and the site.

    Raises
    ------
    ValueError
        If the reference has no such site, or a density is not above 0 and at most 5 g/cm2.

    See Also
    --------
    is_osteoporotic : Compare T-scores with -2.5, allowing for rounding errors.
    spine_t_score : T-score of the spine from its evaluable vertebrae.

    Notes
    -----
    T = (BMD - mean) / SD. Print the name of the reference with every T-score: the T-scores of one
    woman differ considerably between references and densitometers.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.densitometry import FINNISH_WOMEN, t_score
    >>> bmd = pd.DataFrame({"bmd_L1": [1.08, 0.90], "bmd_L2": [1.20, None]}, index=["a", "b"])
    >>> t = t_score(bmd, FINNISH_WOMEN, site="spine")
    >>> print(t.round(1))
       bmd_L1  bmd_L2
    a    -1.0     0.0
    b    -2.5     NaN
    >>> t.attrs["reference"]
    'Finnish women (Kröger et al. 1992)'
    """
    if not isinstance(reference, ReferencePopulation):
        raise ValueError(
            f"reference must be a ReferencePopulation, such as FINNISH_WOMEN; got {reference!r}."
        )
    mean, sd = reference.mean_and_sd(site)
    density = as_floats(bmd, "bmd")
    bad = (density <= 0) | (density > _LARGEST_BMD)
    if bad.any():
        raise ValueError(
            f"bmd must be in g/cm2, above 0 and at most {_LARGEST_BMD:g}; got "
            f"{np.atleast_1d(density)[np.atleast_1d(bad)][0]:g}{first_place(bmd, bad)}. Divide "
            "mg/cm2 by 1000, and mark as NaN what was not measured."
        )
    scores = same_kind((density - mean) / sd, bmd)
    if hasattr(scores, "attrs"):
        scores.attrs = {"reference": reference.name, "site": site}
    return scores


def is_osteoporotic(t_scores, *, threshold=-2.5, rounded=False):
    """Decide whether T-scores are at or below -2.5.

    Parameters
    ----------
    t_scores : float, array-like, Series or DataFrame
        T-scores; NaN where unknown.
    threshold : float, default=-2.5
        The highest T-score that counts: the limit of the World Health Organization [1]_.
    rounded : bool, default=False
        If true, T-scores are first rounded to a tenth, halves away from zero, as on
        a report: -2.45 then counts. If false, they are used unrounded, and -2.4992 does not
        count.

    Returns
    -------
    osteoporotic : bool, ndarray, Series or DataFrame
        Of the type of `t_scores`. Unknown values remain unknown: ``pd.NA`` for a single
        T-score, in a Series and in a DataFrame (type ``boolean``); an array with NaN gives
        an array of 1, 0 and NaN, any other an array of bool.

    See Also
    --------
    t_score : T-scores of a reference population.

    Notes
    -----
    In floating point ``(0.90 - 1.20) / 0.12`` is -2.4999999999999996, so that a woman just at
    the limit would be missed by ``t <= -2.5``. T-scores within one millionth of the limit
    count as at the limit; densities of four decimals are never that close unless they
    are at the limit. The definition applies to postmenopausal women and to men aged 50 years or
    more.

    References
    ----------
    .. [1] World Health Organization, "Assessment of fracture risk and its application to
       screening for postmenopausal osteoporosis", Technical Report Series 843, 1994.

    Examples
    --------
    >>> from skdxa.densitometry import is_osteoporotic
    >>> is_osteoporotic((0.90 - 1.20) / 0.12)
    True
    >>> is_osteoporotic([-2.46, -2.5]).tolist()
    [False, True]
    >>> is_osteoporotic([-2.46, -2.5], rounded=True).tolist()
    [True, True]
    """
    scores = as_floats(t_scores, "t_scores")
    if not np.isfinite(threshold):
        raise ValueError(f"threshold must be a T-score such as -2.5; got {threshold!r}.")
    compared = scores
    if rounded:
        compared = np.sign(scores) * np.floor(10 * np.abs(scores) + 0.5 + ROUNDING) / 10
    decided = decide(~np.isnan(scores), compared <= threshold + ROUNDING, t_scores)
    if hasattr(decided, "attrs"):
        rule = f"T-score {'rounded to a tenth ' if rounded else ''}<= {threshold:g}"
        decided.attrs = {**t_scores.attrs, "rule": rule}
    return decided
