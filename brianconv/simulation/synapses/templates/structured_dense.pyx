{# Every spike reaches all targets. #}
{% extends 'structured.pyx' %}
{% block propagate %}
    cdef int _first_weight
    for _s in range(_n_spikes):
        _presynaptic_idx = _spikes[_s]
        _first_weight = (_spikes[_s] - {{source_start}}) * {{n_post}}
        for _k in range({{n_post}}):
            _postsynaptic_idx = {{target_start}} + _k
            _kernel_idx = _first_weight + _k
            _vectorisation_idx = _postsynaptic_idx
            {{vector_code|autoindent}}
{% endblock %}
