"""Pictures of a recording: raster, membrane traces, accuracy by step, rates against activations.

Each function draws into axes of the caller or into a new figure, and returns the figure; nothing is shown or written.
"""

from brianconv.analysis.plotting.accuracy import plot_accuracy as plot_accuracy
from brianconv.analysis.plotting.correlation import plot_correlation as plot_correlation
from brianconv.analysis.plotting.f_i_curve import plot_f_i_curve as plot_f_i_curve
from brianconv.analysis.plotting.raster import plot_raster as plot_raster
from brianconv.analysis.plotting.traces import plot_potentials as plot_potentials
