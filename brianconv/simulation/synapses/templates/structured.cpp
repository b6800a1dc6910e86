{# The spikes that arrive in this step; where spikes are delayed, they wait in a ring of lists. #}
{% extends 'common_group.cpp' %}
{% block extra_headers %}
#include <algorithm>
{% endblock %}
{% block maincode %}
    {% if _structure.delay %}
    {
        int32_t *_now = {{_history}} + {{_slot}}[0] * {{_structure.n_source + 1}};
        const int32_t _count = {{_spikespace}}[{{_structure.n_source}}];
        std::copy({{_spikespace}}, {{_spikespace}} + _count, _now);
        _now[{{_structure.n_source}}] = _count;
        {{_slot}}[0] = ({{_slot}}[0] + 1) % {{_structure.delay + 1}};
    }
    const int32_t *_spikes = {{_history}} + {{_slot}}[0] * {{_structure.n_source + 1}};
    {% else %}
    const int32_t *_spikes = {{_spikespace}};
    {% endif %}
    int _n_spikes = _spikes[{{_structure.n_source}}];
    {% if _structure.n_pre != _structure.n_source %}
    while (_n_spikes && _spikes[_n_spikes - 1] >= {{_structure.source_start + _structure.n_pre}}) _n_spikes--;
    while (_n_spikes && _spikes[0] < {{_structure.source_start}}) { _spikes++; _n_spikes--; }
    {% endif %}
    if (_n_spikes == 0) return;
    {% block scalars %}
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {% endblock %}
    {# As parameters, the arrays are known not to overlap, and several weights are added before v is stored. #}
    {% set arrays = array_pointers(variables, get_array_name) %}
    auto _transmit = [&]({% for name in arrays %}decltype({{name}}) {{name}}{{ "" if loop.last else ", " }}{% endfor %}) __attribute__((noinline))
    {
    {% block propagate %}
    {% endblock %}
    };
    _transmit({{ arrays | join(", ") }});
{% endblock %}
