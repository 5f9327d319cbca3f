"""Those who are told of a run: one file each, one line in the table."""

NOTIFIERS = {
    "pagerduty": "helm_safe.notifiers.pagerduty:PagerDuty",
    "slack": "helm_safe.notifiers.slack:Slack",
    "slack-webhook": "helm_safe.notifiers.slack_webhook:SlackWebhook",
    "teams": "helm_safe.notifiers.teams:Teams",
    "opsgenie": "helm_safe.notifiers.opsgenie:Opsgenie",
    "alertmanager": "helm_safe.notifiers.alertmanager:Alertmanager",
    "grafana": "helm_safe.notifiers.grafana:Grafana",
    "webhook": "helm_safe.notifiers.webhook:Webhook",
    "stdout": "helm_safe.notifiers.stdout:Stdout",
}
"""Types of model.notifying.SHAPES, each called with a Setup."""
