{# Every spike reaches one target. #}
{% extends 'structured.pyx' %}
{% block propagate %}
    for _s in range(_n_spikes):
        _presynaptic_idx = _spikes[_s]
        _kernel_idx = _spikes[_s] - _source_start
        _postsynaptic_idx = _target_start + {{_target_of}}[_kernel_idx]
        _vectorisation_idx = _postsynaptic_idx
        {{vector_code|autoindent}}
{% endblock %}
