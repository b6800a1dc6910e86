{# USES_VARIABLES { steps } #}
{# At the end of an image, notes its length; after the last image, stops. Reports progress about twice a second. #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    if ({{counter.step}} < {{counter.n_steps}}) return;
    {{_dynamic_steps}}.push_back({{counter.step}});
    static std::clock_t _reported = 0;
    const bool _last = {{counter.image}} >= {{counter.n_images}} - 1;
    if (_last || std::clock() - _reported > CLOCKS_PER_SEC / 2)
    {
        std::cout << "images " << {{counter.image}} + 1 << std::endl;
        _reported = std::clock();
    }
    if (_last) Network::_globally_stopped = true;
{% endblock %}
