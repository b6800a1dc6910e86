{# USES_VARIABLES { _queue } #}
{# Plain synapses. Every variable of this template begins with an underscore, which no statement of a user can name. #}
{% extends 'common_group.pyx' %}
{% block maincode %}
    cdef _numpy.ndarray[int32_t, ndim=1, mode='c'] _arriving = _queue.peek()
    cdef size_t _event
    _vectorisation_idx = 1
    {{scalar_code|autoindent}}
    for _event in range(len(_arriving)):
        _idx = _arriving[_event]
        _vectorisation_idx = _idx
        {{vector_code|autoindent}}
    _queue.advance()
{% endblock %}
