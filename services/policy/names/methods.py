"""Names that are not meant: of methods, and of whom they are named after. ``Adam optimizer``, ``damp Gauss-Newton steps``."""

import re

from services.policy.names.words import WORD

_EPONYM_AFTER = re.compile(
    r"(?:['’]s?)?[ -](?:optimi[sz]er|algorithm|theorem|transform|distribution|init(?:iali[sz](?:er|ation))?|cipher|syndrome|button|knob|"
    r"periods?)\b",
    re.IGNORECASE,
)
_OF_MATHEMATICS = re.compile(
    r"[ -](?:beta[12]?|deque|filter|distributed|hash|coefficient|inequality|entropy|heap|sketch|notation|encoding|normality|loss|uniform|"
    r"noise|lemma)\b|\((?:lr|params|learning_rate|model)\b"
)
"""After one word: of two that are a name, somebody may own a filter."""
_EPONYM_WITHIN = re.compile(rf"{_EPONYM_AFTER.pattern}\Z", re.IGNORECASE)
_EPONYM_BEFORE = re.compile(
    r"(?:optimi[sz]er|optim|algorithm|initiali[sz]er|activation|cipher)[\"']?\s{0,2}[:=]?\s{0,2}[\"']?\Z", re.IGNORECASE
)
"""``Adam optimizer``, ``algorithm: Dijkstra``."""
_EPONYMS = frozenset(
    "ackermann aho akaike arnoldi banach bellman bernoulli bessel bezier bézier boltzmann boole borel bresenham butterworth "  # noqa: SIM905  # words, not a list of strings
    "cantor casteljau catmull cauchy cayley chebyshev cholesky collatz coulomb courant damerau dantzig delaunay delone dijkstra "
    "dirichlet doppler dormand edmonds euclid euler farey fehlberg fermat fibonacci fourier fresnel frobenius galois gauss "
    "gaussian gini givens glorot gödel hadamard hamming hausdorff heaviside hermite hermitian hessian hilbert hoare horspool "
    "householder huffman jaccard jacobi jacobian kalman karatsuba kerberos kolmogorov kronecker kruskal krylov kullback kutta "
    "lagrange lamport lanczos laplace laplacian lebesgue legendre leibler lempel levenberg levenshtein lorenz luhn lyapunov "
    "mahalanobis mandelbrot markov marquardt merkle mersenne nyquist otsu pareto parzen perlin phong poincaré poisson rabin "
    "raphson riemann rosenbrock runge savitzky schur sierpinski smirnov sobel sylvester tukey turing vandermonde verlet viterbi "
    "voronoi warshall weibull wilcoxon winograd zernike zipf ziv".split()
)
"""Whom methods are named after and hardly anybody else is: where a text is about nobody, the method is meant."""
_BESIDE_EPONYMS = frozenset(
    "boyer burrows canny cooley corasick carlo church cook crank de der edwards euclidean fisher floyd ford golay hann hough "  # noqa: SIM905  # words, not a list of strings
    "jaro johnson jordan karp knuth lambert mann monte montgomery moore morris neumann newton nicolson pearson pol pollard "
    "powell pratt prince reed schmidt schwarz shannon shapiro shor smith solomon spearman stirling strassen taylor thompson "
    "tukey twister van von welch wheeler whitney wiener wilk winkler yates zeller".split()
)
"""Those who share a method with one of them: ``Gauss-Newton``. Alone they are people."""
_BEFORE = 24
_METHOD_AFTER = re.compile(
    r"[ -](?:forms?|method|pairs?|segments?|rule|scheme|iterations?|decomposition|factori[sz]ation|matrix|matrices|polynomials?|"
    r"equations?|curves?|fingerprints?|triangulation|norm|kernel|trees?|automaton|criterion|bound|assignment|sampling|ordering|indexing|indentation|notation)\b"
)


def is_method(text: str, start: int, end: int, *, personal: bool | None) -> bool:
    """Whether what stands there is rather a method than somebody; ``personal``: whether the text is about people, None if nobody knows."""
    value = text[start:end]
    if personal is False and (_is_of_eponyms(value) or _METHOD_AFTER.match(text, end) is not None):
        return True
    return (
        _EPONYM_WITHIN.search(value) is not None
        or _EPONYM_AFTER.match(text, end) is not None
        or (" " not in value and _OF_MATHEMATICS.match(text, end) is not None)
        or _EPONYM_BEFORE.search(text, max(0, start - _BEFORE), start) is not None
    )


def _is_of_eponyms(value: str) -> bool:
    words = WORD.findall(value.lower())
    return not _EPONYMS.isdisjoint(words) and all(word in _EPONYMS or word in _BESIDE_EPONYMS for word in words)


__all__ = ["is_method"]
