"""What a support lead asks, in SQL that DuckDB and PostgreSQL both understand, on the models of dbt_pylon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy

from support_report.database import Database, Row

WEEKS = 26
MONTHS = 12

SQL = {
    "as_of": "select as_of from {staging}.int_pylon__as_of",
    "figures": """
        select
            count(case when created_at > {as_of} - interval '28 days' then 1 end) as issues,
            count(case when created_at <= {as_of} - interval '28 days' then 1 end) as issues_before,
            percentile_cont(0.5) within group (
                order by case when created_at > {as_of} - interval '28 days' then first_response_hours end
            ) as response_hours,
            percentile_cont(0.5) within group (
                order by case when created_at <= {as_of} - interval '28 days' then first_response_hours end
            ) as response_hours_before
        from {marts}.pylon__issue_metrics
        where created_at > {as_of} - interval '56 days' and created_at <= {as_of}
    """,
    "open_now": "select count(*) from {marts}.pylon__issue_metrics where not is_closed",
    "issues_per_week": """
        select
            cast(date_trunc('week', created_at) as date) as week,
            coalesce(issue_type, 'other') as type,
            count(*) as issues
        from {marts}.pylon__issue_metrics
        where created_at > {as_of} - interval '26 weeks'
        group by 1, 2
        order by 1, 2
    """,
    "first_response_by_team": """
        select
            coalesce(team_name, 'No team') as team,
            count(*) as issues,
            count(first_response_hours) as answered,
            percentile_cont(0.5) within group (order by first_response_hours) as median_hours,
            percentile_cont(0.9) within group (order by first_response_hours) as slowest_tenth_hours,
            100.0 * avg(
                case
                    when first_response_breach_at < coalesce(first_response_at, {as_of}) then 0.0
                    when first_response_breach_at is not null then 1.0
                end
            ) as percent_in_time
        from {marts}.pylon__issue_metrics
        where created_at > {as_of} - interval '26 weeks'
        group by 1
        order by median_hours desc nulls last, team
    """,
    "backlog": """
        select
            day,
            cast(sum(issues_open_at_least) as integer) as at_least,
            cast(sum(issues_open_at_most) as integer) as at_most
        from {marts}.pylon__daily_backlog
        where day > cast({as_of} - interval '26 weeks' as date)
        group by day
        order by day
    """,
    "csat_by_month": """
        select
            cast(date_trunc('month', submitted_at) as date) as month,
            count(*) as responses,
            100.0 * avg(case when is_csat_satisfied then 1.0 else 0.0 end) as percent_satisfied,
            avg(csat_score) as average_score
        from {marts}.pylon__survey_answers
        where csat_score is not null and not is_excluded and submitted_at > {as_of} - interval '12 months'
        group by 1
        order by 1
    """,
    "nps_by_month": """
        select
            cast(date_trunc('month', submitted_at) as date) as month,
            count(*) as responses,
            avg(nps_points) as nps,
            count(case when nps_category = 'promoter' then 1 end) as promoters,
            count(case when nps_category = 'detractor' then 1 end) as detractors
        from {marts}.pylon__survey_answers
        where nps_points is not null and not is_excluded and submitted_at > {as_of} - interval '12 months'
        group by 1
        order by 1
    """,
    "scores": """
        select
            100.0 * avg(case when csat_score is null then null when is_csat_satisfied then 1.0 else 0.0 end) as csat,
            count(csat_score) as csat_responses,
            avg(nps_points) as nps,
            count(nps_points) as nps_responses
        from {marts}.pylon__survey_answers
        where not is_excluded and submitted_at > {as_of} - interval '91 days'
    """,
    "accounts": """
        select
            accounts.account_name as account,
            accounts.issues_open as open_now,
            accounts.issues_last_28_days as issues,
            recent.issues_before,
            recent.late,
            recent.reopened,
            rated.csat,
            rated.ratings,
            accounts.latest_nps_score as nps,
            accounts.latest_nps_category as nps_category,
            accounts.last_activity_at
        from {marts}.pylon__account_overview as accounts
        left join (
            select
                account_id,
                count(case when created_at <= {as_of} - interval '28 days' then 1 end) as issues_before,
                count(
                    case
                        when created_at <= {as_of} - interval '28 days' then null
                        when is_closed and is_sla_breached then 1
                        when first_response_breach_at < coalesce(first_response_at, {as_of}) then 1
                        when not is_closed and resolution_breach_at < {as_of} then 1
                    end
                ) as late,
                count(case when was_reopened then 1 end) as reopened
            from {marts}.pylon__issue_metrics
            where created_at > {as_of} - interval '56 days'
            group by account_id
        ) as recent on accounts.account_id = recent.account_id
        left join (
            select account_id, avg(csat_score) as csat, count(*) as ratings
            from {marts}.pylon__survey_answers
            where csat_score is not null and not is_excluded and submitted_at > {as_of} - interval '91 days'
            group by account_id
        ) as rated on accounts.account_id = rated.account_id
        where accounts.account_name is not null
        order by accounts.account_name
    """,
    "latest_feedback": """
        select kind, title, text, occurred_at, account_name as account, contact_name as contact, link
        from (
            select
                feedback.*,
                row_number() over (partition by kind order by occurred_at desc, object_id) as newest_first
            from {marts}.pylon__feedback as feedback
            where occurred_at <= {as_of}
        ) as numbered
        where newest_first <= 3
        order by occurred_at desc, object_id
    """,
}


@dataclass
class Answers:
    """The answers, each a list of rows; `as_of` is the time up to which the tables know Pylon."""

    as_of: datetime
    figures: Row
    issues_per_week: list[Row]
    first_response_by_team: list[Row]
    backlog: list[Row]
    csat_by_month: list[Row]
    nps_by_month: list[Row]
    accounts_at_risk: list[Row]
    latest_feedback: list[Row]


def ask(database: Database) -> Answers:
    """Answer all questions. Raises ValueError where the tables hold no issue, survey response or call at all."""
    schemas = {"marts": f"{database.models}_pylon", "staging": f"{database.models}_pylon_staging"}
    with database.connect() as connection:

        def rows(name: str, as_of: str = "") -> list[Row]:
            found = connection.execute(sqlalchemy.text(SQL[name].format(**schemas, as_of=as_of))).mappings()
            return [{column: plain(value) for column, value in row.items()} for row in found]

        as_of = rows("as_of")[0]["as_of"]
        if as_of is None:
            raise ValueError("Pylon has no issues, survey responses or calls to report on.")
        moment = f"timestamp '{as_of:%Y-%m-%d %H:%M:%S}'"
        (figures,), (scores,), (open_now,) = rows("figures", moment), rows("scores", moment), rows("open_now")
        return Answers(
            as_of=as_of,
            figures={**figures, **scores, "open_now": next(iter(open_now.values()))},
            issues_per_week=rows("issues_per_week", moment),
            first_response_by_team=rows("first_response_by_team", moment),
            backlog=rows("backlog", moment),
            csat_by_month=rows("csat_by_month", moment),
            nps_by_month=rows("nps_by_month", moment),
            accounts_at_risk=at_risk(rows("accounts", moment), as_of),
            latest_feedback=rows("latest_feedback", moment),
        )


def plain(value: Any) -> Any:
    """A value as text, number, date or time: databases give whole numbers and decimals of their own kinds."""
    if value is None or isinstance(value, (str, bool, int, float, date)):
        return value
    return float(value)


def at_risk(accounts: list[Row], as_of: datetime) -> list[Row]:
    """The accounts with two signs of trouble or more, most signs first; each row says which, as `signs`."""
    judged = [{**account, "signs": signs(account, as_of)} for account in accounts]
    troubled = [account for account in judged if len(account["signs"]) >= 2]
    return sorted(troubled, key=lambda account: (-len(account["signs"]), account["csat"] or 5, account["account"]))


def signs(account: Row, as_of: datetime) -> list[str]:
    """The signs that an account is in trouble. Change the bounds to those of your own team."""
    issues, before, late = account["issues"], account["issues_before"] or 0, account["late"] or 0
    found = []
    if account["nps_category"] == "detractor":
        found.append(f"Would not recommend us (NPS score {account['nps']:.0f})")
    if account["csat"] is not None and account["ratings"] >= 2 and account["csat"] < 3.5:
        found.append(f"Rates support {account['csat']:.1f} of 5 in 13 weeks")
    if issues >= 4 and issues >= 1.4 * before:
        found.append(f"{issues} issues in 4 weeks, {before} in the 4 before")
    if late >= 3:
        found.append(f"{late} issues missed their service level in 4 weeks")
    if account["reopened"] and account["reopened"] >= 2:
        found.append(f"{account['reopened']} issues reopened in 8 weeks")
    if account["open_now"] >= 3:
        found.append(f"{account['open_now']} issues open now")
    if account["last_activity_at"] and as_of - account["last_activity_at"] > timedelta(days=28):
        found.append(f"Silent for {(as_of - account['last_activity_at']).days} days")
    return found
