"""Run with the published `atlassian-statuspage` client: an operator's day by its methods.

Arguments: base address, token. Prints what it saw, as JSON.
"""

import json
import sys

import atlassian_statuspage as sdk


def main(base_url: str, token: str) -> None:
    configuration = sdk.Configuration()
    configuration.host = f"{base_url}/v1"
    configuration.api_key["Authorization"] = token
    configuration.api_key_prefix["Authorization"] = "OAuth"
    client = sdk.ApiClient(configuration)
    seen = {}

    (page,) = sdk.PagesApi(client).get_pages()
    seen["page"] = page.name

    components = sdk.ComponentsApi(client)
    made = components.post_pages_page_id_components(
        {"component": {"name": "Checkout", "status": "operational"}}, page.id
    )
    groups = sdk.ComponentGroupsApi(client)
    group = groups.post_pages_page_id_component_groups(
        {"component_group": {"name": "Shop", "components": [made.id]}}, page.id
    )
    seen["group"] = group.name
    seen["grouped"] = (
        components.get_pages_page_id_components_component_id(page.id, made.id).group_id == group.id
    )

    incidents = sdk.IncidentsApi(client)
    incident = incidents.post_pages_page_id_incidents(
        {
            "incident": {
                "name": "Checkout errors",
                "status": "investigating",
                "body": "One in ten payments fails.",
                "component_ids": [made.id],
                "components": {made.id: "partial_outage"},
            }
        },
        page.id,
    )
    seen["opened"] = [incident.status, incident.impact, incident.components[0].status]
    seen["unresolved"] = [
        one.name for one in incidents.get_pages_page_id_incidents_unresolved(page.id)
    ]
    resolved = incidents.patch_pages_page_id_incidents_incident_id(
        {
            "incident": {
                "status": "resolved",
                "body": "Fixed.",
                "components": {made.id: "operational"},
            }
        },
        page.id,
        incident.id,
    )
    seen["resolved"] = [resolved.status, resolved.components[0].status]
    seen["updates"] = [one.body for one in resolved.incident_updates]
    seen["left"] = [one.name for one in incidents.get_pages_page_id_incidents_unresolved(page.id)]

    components.delete_pages_page_id_components_component_id(page.id, made.id)
    try:
        components.get_pages_page_id_components_component_id(page.id, made.id)
    except sdk.rest.ApiException as error:
        seen["gone"] = error.status
    print(json.dumps(seen))


main(*sys.argv[1:])
