"""The words of the story: companies, people, and what they write to each other about a made-up analytics product.

Texts are templates: {report}, {tool}, {rows}, {when}, {company}, {customer} and {agent} are filled in for each issue.
"""

# ruff: noqa: E501 - sentences read best on one line

from __future__ import annotations

from typing import NamedTuple

TEAMS = ("Frontline Support", "Technical Support", "Billing and Accounts")
USERS = (
    ("Maya Lindqvist", 0),
    ("Tom Okafor", 0),
    ("Priya Raman", 0),
    ("Daniel Weiss", 1),
    ("Sofia Marchetti", 1),
    ("Jun Takahashi", 1),
    ("Claire Dubois", 2),
)
"""The members of the support team, each with the number of its team."""


class Company(NamedTuple):
    """A customer: what it pays for, how satisfied it is (0 to 1), its issues per week at the start and at the end."""

    name: str
    tier: str
    mood: float
    early: float
    late: float
    people: tuple[str, ...]


COMPANIES = (
    Company("Harbor Logistics", "enterprise", 0.92, 1.6, 1.4, ("Ellen Brandt", "Marcus Hill", "Noor Haddad")),
    Company("Lumen Health", "enterprise", 0.85, 1.8, 1.6, ("Grace Kim", "Peter Novak", "Aisha Bello")),
    Company("Brightside Energy", "enterprise", 0.30, 0.9, 4.4, ("Victor Almeida", "Hanna Sorensen", "Ian Clarke")),
    Company("Copperline Bank", "enterprise", 0.55, 1.5, 1.8, ("Rebecca Stone", "Omar Farouk", "Lucy Chen")),
    Company("Tidewater Foods", "growth", 0.90, 1.1, 0.9, ("Sam Whitaker", "Julia Rossi")),
    Company("Pinecrest Software", "growth", 0.80, 1.3, 1.2, ("Anders Holm", "Meera Iyer", "Ben Carter")),
    Company("Orbit Mobility", "growth", 0.38, 0.7, 2.8, ("Katja Fischer", "Diego Ramos")),
    Company("Fieldstone Insurance", "growth", 0.70, 1.2, 1.0, ("Martha Quinn", "Yusuf Demir")),
    Company("Northgate Media", "growth", 0.62, 1.0, 1.3, ("Chloe Martin", "Leo Baptiste")),
    Company("Silverbirch Travel", "growth", 0.88, 0.8, 0.8, ("Nina Petrova", "Harold Finch")),
    Company("Quarry Construction", "starter", 0.25, 1.4, 0.3, ("Frank Dolan", "Ines Carvalho")),
    Company("Maple & Rye", "starter", 0.95, 0.6, 0.7, ("Olivia Grant",)),
    Company("Vantage Recruiting", "starter", 0.75, 0.7, 0.6, ("Theo Laurent", "Sara Lindholm")),
    Company("Blue Heron Clinics", "starter", 0.83, 0.5, 0.9, ("Amir Nazari",)),
    Company("Kite Education", "starter", 0.66, 0.8, 0.8, ("Paula Jensen", "Rui Costa")),
    Company("Ironbridge Parts", "starter", 0.58, 0.6, 0.7, ("Gavin Moss",)),
)

WORDS = {
    "report": ("Weekly Revenue", "Pipeline Overview", "Churn by Region", "Warehouse Costs", "Board Summary"),
    "tool": ("Salesforce", "HubSpot", "NetSuite", "Snowflake", "Google Sheets"),
    "rows": ("12,000", "48,000", "150,000", "310,000"),
    "when": ("this morning", "yesterday afternoon", "Monday", "the last release", "the weekend"),
}


class Topic(NamedTuple):
    """What an issue can be about: who answers it, and what the customer and the team write, one step after another.

    A title, an opening and a fix with the same number belong together.
    """

    slug: str
    team: int
    is_ticket: bool
    weight: int
    titles: tuple[str, ...]
    openings: tuple[str, ...]
    questions: tuple[str, ...]
    details: tuple[str, ...]
    note: str
    fixes: tuple[str, ...]


TOPICS = (
    Topic(
        *("billing", 2, False, 12),
        ("Invoice shows seats we removed", "VAT number missing on the invoice"),
        (
            "our invoice for last month lists 42 seats, but we removed seven users at the start of the month. Could you "
            "check what we should have been charged?",
            "our finance team cannot book the latest invoice because the VAT number is missing. Can you issue it again?",
        ),
        ("Thanks for flagging this. Could you tell me the number of the invoice, so that I look at the right period?",),
        ("It is the most recent one, the amount is on page two. Finance has to close the books on Friday.",),
        "Seats were removed after the renewal date; the proration did not run. Credit approved by finance.",
        (
            "I have corrected the seats and issued a credit note; the new invoice is on its way to your billing contact. "
            "The next one will be right from the start.",
            "The invoice has been issued again with your VAT number, and the number is now stored for all future ones.",
        ),
    ),
    Topic(
        *("sso", 1, True, 11),
        ("Users are sent back to the sign-in page", "SSO fails for new starters"),
        (
            "since {when} some of our people are sent back to the sign-in page after they log in with SSO. Those who still "
            "have a session are fine, everyone else is locked out.",
            "our new starters cannot sign in with SSO. They get 'no matching account', although they are in the right "
            "group in our identity provider.",
        ),
        ("I am sorry for the disruption. Which identity provider do you use, and did anybody change the certificate?",),
        ("We use Okta. The certificate was rotated last week, and the metadata URL is still the old one, I think.",),
        "Signature validation fails: the old certificate is pinned. Needs a metadata refresh on our side.",
        (
            "The old certificate was still pinned on our side. I have loaded the new metadata and a test login works. "
            "Could you ask one of the people affected to try again?",
            "The group mapping was missing for that group. I have added it; new starters are now created at first login.",
        ),
    ),
    Topic(
        *("exports", 1, True, 13),
        ("CSV export stops halfway", "Scheduled export did not arrive"),
        (
            "the CSV export of {report} stops after about {rows} rows. There is no error, the file is simply shorter than "
            "the table on the screen.",
            "the scheduled export of {report} has not arrived since {when}. The schedule says that it was sent.",
        ),
        ("Thank you for the details. Does it also happen with a shorter date range, and do you filter the report?",),
        ("With one month it works, with a quarter it does not. We filter by region, nothing else.",),
        "Worker hits the ten minute limit and the partial file is uploaded. Engineering ticket raised.",
        (
            "We found it: large exports ran into a time limit and were cut off. A fix is live, and I have run your export "
            "again; all {rows} rows are in it.",
            "The mail was blocked by a size limit. Exports over 20 MB are now sent as a link, and yours has just gone out.",
        ),
    ),
    Topic(
        *("api", 1, True, 10),
        ("429 from the reporting API", "API returns fewer rows than the report"),
        (
            "our nightly job gets 429 from the reporting API after a few minutes. It has run for months without a change. "
            "Has the limit been lowered?",
            "the API returns fewer rows for {report} than the report itself shows. Are we missing a parameter?",
        ),
        ("Could you send me one request id of a failed call, and how many calls you make at the same time?",),
        ("We run eight workers. I have put the request ids into the thread; they all fail within the same minute.",),
        "Customer polls every export twice. Limit is the documented one; can be raised to 600 for this plan.",
        (
            "Your plan allows 300 calls a minute and the job needs about 420. I have raised your limit to 600, and the "
            "header X-RateLimit-Remaining tells you how much is left.",
            "The API shows archived rows only with include_archived=true; the report always does. I have added that to "
            "the documentation.",
        ),
    ),
    Topic(
        *("performance", 1, True, 13),
        ("{report} loads very slowly", "Filters take half a minute"),
        (
            "{report} takes more than a minute to load since {when}. In our leadership meeting we looked at a spinner, "
            "which was not great.",
            "every filter on {report} takes half a minute. It is hard to work like this, and people go back to spreadsheets.",
        ),
        ("That is much slower than it should be. Is it only this dashboard, and at which time of day is it worst?",),
        ("Mostly this one, and worst between nine and eleven. It has about {rows} rows behind it.",),
        "Query plan changed after the release, the date index is not used. Database team is on it.",
        (
            "A query lost its index in the last release. We have restored it, and the dashboard loads in about three "
            "seconds here. Please tell me if you still see anything slower.",
            "I have moved the report to a pre-aggregated table. Filters now answer within two seconds in my tests.",
        ),
    ),
    Topic(
        *("onboarding", 0, False, 14),
        ("Setting up roles for a new team", "How do we share a dashboard with clients?"),
        (
            "we have a new team of twelve people joining next week. What is the best way to give them read access without "
            "letting them change anything?",
            "is there a way to share {report} with a client who has no account? A PDF would be fine, too.",
        ),
        ("Happy to help! Should they see all workspaces, or only some of them?",),
        ("Only the one for operations. It would be good if they could still save their own filters.",),
        "Good candidate for the advanced training; told the account owner.",
        (
            "The role Viewer with 'personal filters' is what you need. I have put together the three steps, and the "
            "article on roles shows them with pictures.",
            "You can create a public link with a password under Share. It shows the live data and can be revoked.",
        ),
    ),
    Topic(
        *("bug", 1, True, 14),
        ("Totals do not match the details", "Saved filters have disappeared"),
        (
            "the total of {report} does not match the sum of its rows. It is off by about two per cent since {when}, and "
            "our controller noticed before we did.",
            "our saved filters on {report} have disappeared since {when}. About ten people are affected.",
        ),
        ("Thank you for reporting this. Could you send me a screenshot, and say which time zone your workspace uses?",),
        ("Screenshot is attached. The workspace is on Central European Time, and it is wrong for everybody.",),
        "Reproduced. Rows around midnight are counted in both months. Fix is in review.",
        (
            "You were right: rows around midnight were counted twice. The fix went live today, and past months have been "
            "calculated again.",
            "A migration had moved the saved filters to the wrong owner. All of them are back where they belong.",
        ),
    ),
    Topic(
        *("integration", 1, True, 13),
        ("{tool} sync is stuck", "Fields from {tool} arrive empty"),
        (
            "the {tool} sync has been stuck at 'running' since {when}. We rely on it for {report}, which now shows old "
            "numbers.",
            "since {when} several custom fields from {tool} arrive empty. Nothing was changed on our side.",
        ),
        ("I will look into it right away. Did anybody change the permissions of the {tool} user lately?",),
        (
            "Our admin says that the user's role was changed recently. We can change it back if you tell us what you need.",
        ),
        "The OAuth scope for custom fields is gone. Restarted the stuck job by hand.",
        (
            "A job was holding a lock. I have released it, and the sync has caught up. We now get an alert if it happens.",
            "The {tool} user had lost access to custom fields. After your admin restored it, I started a full sync; all "
            "fields are filled again.",
        ),
    ),
    Topic(
        *("request", 0, False, 9),
        ("Could reports be sent to Slack?", "Comparing two years in one chart"),
        (
            "would it be possible to send {report} to a Slack channel every morning? Half of us never open the e-mail.",
            "we would love to compare this year with the last one in a single chart. At the moment we export both and "
            "draw it ourselves.",
        ),
        ("That is a good idea, and you are not alone with it. How would you use it, and how many people would?",),
        ("The whole operations team, about thirty people. Every morning at eight would be perfect.",),
        "Sixth request for this one. Linked to the roadmap item.",
        (
            "I have added your case to the feature request, which is planned for the next quarter. Until then, an e-mail "
            "to the channel's address does nearly the same; the steps are in the article.",
            "I have added your case to the feature request, and the product team would like to talk to you about it. Until "
            "then, a calculated field can hold last year's numbers; I have made an example in your workspace.",
        ),
    ),
    Topic(
        *("security", 2, False, 6),
        ("Where is our data stored?", "Security questionnaire for {company}"),
        (
            "our auditors ask where our data is stored and who can access it. Do you have a document that we may share?",
            "could you fill in our security questionnaire? It has about eighty questions, and we need it for the renewal.",
        ),
        ("Of course. When do you need it, and is the current penetration test report of interest as well?",),
        ("By the end of next week, please. Yes, the report would save us several questions.",),
        "Legal has to sign off on two answers. Sent the standard pack for now.",
        (
            "I have shared the security pack with you: data location, subprocessors, certificates and the latest report. "
            "You may pass it on to your auditors.",
            "The questionnaire is filled in and on its way to you, together with the latest penetration test report.",
        ),
    ),
)

CHASERS = (
    "is there any news on this? We are still blocked.",
    "I have not heard back yet. Could somebody please take a look today?",
)
THANKS = (
    (
        ("That is exactly what we needed, thank you!", "Very helpful, thanks, {agent}."),
        ("Thanks. It took a while, but now it is clear.",),
    ),
    (
        ("That did it, thank you very much for the quick help!", "Works again for everybody here. Thanks, {agent}."),
        (
            "It works now. I wish we had not had to wait so long for it.",
            "Thanks. This is the second time in a few weeks, though, so please keep an eye on it.",
        ),
    ),
)
"""What satisfied and less satisfied customers answer in the end, first for questions, then for tickets."""
RETURNS = (
    "I am afraid it is back: since {when} we see exactly the same problem again.",
    "this worked for a few days, and now it does not any more. Could you have another look?",
)
SECOND_FIXES = (
    "I am sorry that it came back. We found a second cause and removed that one as well; I will check again tomorrow.",
    "Apologies for the repeat. This time engineering has added a test for it, so that it cannot come back unnoticed.",
)

RATING_QUESTION = "How satisfied are you with the support that you received?"
RATING_WHY = "What is the main reason for your score?"
RATINGS = {
    5: (
        "Fast and friendly, and {agent} really understood the problem.",
        "Solved within hours. Best support we have.",
        "",
    ),
    4: ("Good help, took a little longer than I hoped.", "Clear explanation, thank you.", ""),
    3: ("It was solved in the end, but I had to explain it twice.", "Fine, though slow.", ""),
    2: ("Too many days for something that blocks us.", "We had to chase for an answer."),
    1: ("The same problem again, and nobody seems to own it.", "We waited for days. Our team has lost patience."),
}
NPS_QUESTION = "How likely are you to recommend us to a colleague?"
NPS_WHY = "What should we do better?"
PROMOTER = (
    "The product saves us hours every week, and support is excellent.",
    "Easy to use. More templates would be nice.",
    "Nothing to complain about, keep going!",
)
PASSIVE = ("Good product, but dashboards could be faster.", "We miss Slack delivery and comparisons of years.", "")
DETRACTOR = (
    "Too many outages around {topic} this quarter. We are looking at alternatives.",
    "Problems with {topic} keep coming back, and answers take too long.",
    "We pay for a premium plan and still have to chase. {topic} must get better before our renewal.",
)

CALLS = {
    "good": "{people} are happy with how the rollout goes: usage is up, and two more teams want to join. They asked about "
    "{topic}, which {agent} showed them during the call. Next step: send the adoption numbers before the next review.",
    "mixed": "{people} like the product and named one thing that holds them back: {topic}. They would expand in the next "
    "quarter if it gets better. Next step: {agent} comes back with a date for the fix.",
    "bad": "{people} are frustrated. Problems with {topic} have cost them several days this month, and their leadership "
    "asks why they should renew. They want a named contact and a written plan. Next step: {agent} sends the plan this week.",
}
ARTICLES = (
    "Getting started with dashboards",
    "Roles and permissions",
    "Single sign-on with SAML",
    "Exports and schedules",
    "API limits explained",
    "Connecting Salesforce and HubSpot",
    "Understanding your invoice",
    "Making slow dashboards fast",
)
ARTICLE_COMMENTS = {
    5: ("Exactly what I was looking for.", "Clear, and the pictures help a lot.", ""),
    4: ("Helpful. A short video would be great.", ""),
    3: ("The steps are right, but the buttons have other names now.", ""),
    2: ("Did not cover our case with several workspaces.", "Too long, I had to read it twice."),
    1: ("The screenshots are out of date, I could not follow the steps.",),
}
TOPIC_NAMES = {
    "billing": "invoices",
    "sso": "single sign-on",
    "exports": "exports",
    "api": "API limits",
    "performance": "slow dashboards",
    "onboarding": "onboarding",
    "bug": "wrong numbers",
    "integration": "integrations",
    "request": "missing features",
    "security": "security reviews",
}
