{# USES_VARIABLES { N } #}
{# Runs statements for all neurons, at the first step of an image only. #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    if ({{counter.step}} != 1{% if resets %} || {{counter.image}} % {{counter.reset_every}} != 0{% endif %}) return;
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    const int _N = {{constant_or_scalar('N', variables['N'])}};
    for (int _idx = 0; _idx < _N; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
    }
{% endblock %}
