"""What Alertmanager sends: one alert, and the message that carries several."""


def an_alert(number=1, *, status="firing", labels=None, annotations=None, **more):
    return {
        "status": status,
        "labels": {"alertname": f"Alert {number}", "severity": "critical", **(labels or {})},
        "annotations": annotations or {},
        "startsAt": "2026-03-10T11:50:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph?g0.expr=up",
        "fingerprint": f"{number:016x}",
        **more,
    }


def told(*alerts, key="{}:{alertname='x'}", **more):
    return {
        "version": "4",
        "groupKey": key,
        "status": "firing",
        "receiver": "statuspage",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "alerts": list(alerts),
        **more,
    }
