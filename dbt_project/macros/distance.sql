{#- A whole number times itself; power() would answer in floating point. -#}
{% macro square(number) -%} {{ number }} * {{ number }} {%- endmacro %}

{#- The square of the way in metres from a circle's middle to the farthest corner of the box round a unit's postcodes. A
    box that no circle's edge runs through lies inside when its farthest corner does. -#}
{% macro farthest(unit, circle) -%}
    {{ square(
        'greatest(abs(' ~ unit ~ '.west - ' ~ circle ~ '.easting), abs(' ~ unit ~ '.east - ' ~ circle ~ '.easting))'
    ) }}
    + {{ square(
        'greatest(abs(' ~ unit ~ '.south - ' ~ circle ~ '.northing), abs(' ~ unit ~ '.north - ' ~ circle ~ '.northing))'
    ) }}
{%- endmacro %}
