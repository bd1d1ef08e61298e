"""Our own words in an LDAP directory: what its schema must know to keep all of a domain. Pure.

The numbers lie below 2.25, the arc that every UUID has for its own (ITU-T X.667), so that they are nobody else's.
"""

from __future__ import annotations

ARC = "2.25.322358333520753765018524447857054483122"
ID, INSTANCE, PLACE = "portloreId", "portloreInstance", "portlorePlace"
ORDER, PROPERTY = "portloreOrder", "portloreProperty"
DIRECTORY, RECORD = "portloreDirectory", "portloreRecord"

_INTEGER = "EQUALITY integerMatch ORDERING integerOrderingMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE"
_OCTETS = "EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40"
ATTRIBUTES = (  # the number behind the arc, the name, what it is, how it is kept
    (1, ID, "number of a NetInfo directory", _INTEGER),
    (2, INSTANCE, "count of the changes of a NetInfo directory", _INTEGER),
    (3, PLACE, "place of a NetInfo directory among its siblings", _INTEGER),
    (4, ORDER, "order of the properties that other attributes hold", f"{_OCTETS} SINGLE-VALUE"),
    (5, PROPERTY, "property of a NetInfo directory that no other attribute holds", _OCTETS),
)
CLASSES = (
    (6, DIRECTORY, "NetInfo directory", f"SUP top STRUCTURAL MAY ( cn $ description $ {ID} )"),
    (7, RECORD, "what NetInfo knows of an entry", f"SUP top AUXILIARY MAY ( {' $ '.join(a[1] for a in ATTRIBUTES)} )"),
)


def schema_ldif() -> str:
    """The schema as an entry for OpenLDAP's cn=config: ``ldapadd -Y EXTERNAL -H ldapi:/// -f portlore.ldif``."""
    lines = ["dn: cn=portlore,cn=schema,cn=config", "objectClass: olcSchemaConfig", "cn: portlore"]
    lines += [
        f"olcAttributeTypes: ( {ARC}.{n} NAME '{name}' DESC '{what}' {how} )" for n, name, what, how in ATTRIBUTES
    ]
    lines += [f"olcObjectClasses: ( {ARC}.{n} NAME '{name}' DESC '{what}' {how} )" for n, name, what, how in CLASSES]
    return "\n".join(lines) + "\n"
