{# Every spike reaches all targets. #}
{% extends 'structured.pyx' %}
{% block propagate %}
    cdef int _first_weight
    for _s in range(_n_spikes):
        _presynaptic_idx = _spikes[_s]
        _first_weight = (_spikes[_s] - _source_start) * _n_post
        for _k in range(_n_post):
            _postsynaptic_idx = _target_start + _k
            _kernel_idx = _first_weight + _k
            _vectorisation_idx = _postsynaptic_idx
            {{vector_code|autoindent}}
{% endblock %}
