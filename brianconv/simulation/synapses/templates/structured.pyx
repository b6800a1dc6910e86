{# The spikes that arrive in this step; where spikes are delayed, they wait in a ring of lists. #}
{% extends 'common_group.pyx' %}
{% block maincode %}
    cdef int32_t* _spikes = <int32_t*> {{_spikespace}}
    cdef int _n_spikes = _spikes[_n_source]
    cdef int _s, _k
    {% if _structure.delay %}
    cdef int32_t* _now = <int32_t*> {{_history}} + {{_slot}}[0] * (_n_source + 1)
    for _s in range(_n_spikes):
        _now[_s] = _spikes[_s]
    _now[_n_source] = _n_spikes
    {{_slot}}[0] = ({{_slot}}[0] + 1) % (_delay + 1)
    _spikes = <int32_t*> {{_history}} + {{_slot}}[0] * (_n_source + 1)
    _n_spikes = _spikes[_n_source]
    {% endif %}
    {% if _structure.n_pre != _structure.n_source %}
    while _n_spikes > 0 and _spikes[_n_spikes - 1] >= (_source_start + _n_pre):
        _n_spikes -= 1
    while _n_spikes > 0 and _spikes[0] < _source_start:
        _spikes += 1
        _n_spikes -= 1
    {% endif %}
    if _n_spikes == 0:
        return
    {% block scalars %}
    _vectorisation_idx = 1
    {{scalar_code|autoindent}}
    {% endblock %}
    {% block propagate %}
    {% endblock %}
{% endblock %}
