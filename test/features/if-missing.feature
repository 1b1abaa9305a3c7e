Feature: What a counter is to be, if it is missing
  A counter that nobody has made needs no call before the first: the change that makes it says what it is to be.

  Rule: The change that makes a counter says what it is

    Scenario: The first mail of somebody new is within their quota
      Given it is "2026-03-28T20:00:00+01:00"
      When I increment "mails:ada" by 3, which may be missing, with
        | maximum | 5                    |
        | window  | day in Europe/Berlin |
      Then the answer says it went from 0 to 3
      When I increment "mails:ada" by 3, which may be missing, with
        | maximum | 5                    |
        | window  | day in Europe/Berlin |
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
        | value | 3 |
        | max   | 5 |
      And there will be room in "4 hours"

    Scenario: It starts from its initial value
      When I increment "lives" by 1, which may be missing, with
        | initial | 3 |
        | maximum | 5 |
      Then the answer says it went from 3 to 4
      When I reset "lives"
      Then the answer says it went from 4 to 3

    Scenario: Setting makes one as well
      When I set "temperature" to -5, which may be missing, with
        | minimum     | -273          |
        | description | in the cellar |
      Then the answer says it went from 0 to -5
      And "temperature" has
        | minimum     | -273          |
        | description | in the cellar |

    Scenario: Its own settings go before those of a policy
      Given a policy for "mails:" with
        | maximum | 5 |
      When I increment "mails:root" by 900, which may be missing, with
        | maximum | 1000 |
      Then the answer says it went from 0 to 900
      And "mails:root" follows no policy

  Rule: A counter that is there keeps its own

    Scenario: Whatever is said of one that is missing
      Given a counter "seats" with
        | value   | 9  |
        | maximum | 10 |
      When I increment "seats" by 2, which may be missing, with
        | maximum | 99 |
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
        | max | 10 |
      And "seats" has
        | maximum | 10 |

    Scenario: One that was deleted is made anew
      Given a counter "seats" with
        | maximum | 10 |
      And I delete "seats"
      When I increment "seats" by 11, which may be missing, with
        | maximum | 99 |
      Then the answer says it went from 0 to 11

  Rule: What is refused makes nothing

    Scenario: There is no room in the new counter
      When I increment "seats" by 6, which may be missing, with
        | maximum | 5 |
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
      And there is no counter "seats"

    Scenario Outline: No counter can be like that
      When I increment "seats" by 1, which may be missing, with
        | maximum   | 5       |
        | <setting> | <value> |
      Then it is refused with <status>, reason <reason>
        | field | <field> |
      And there is no counter "seats"

      Examples:
        | setting      | value               | status              | reason               | field                       |
        | initial      | 6                   | OUT_OF_RANGE        | VALUE_OUTSIDE_BOUNDS | if_missing.initial          |
        | window       | day in Mars/Olympus | INVALID_ARGUMENT    | INVALID_FIELD        | if_missing.window.time_zone |
        | goes back by | 3 in 1 second       | FAILED_PRECONDITION | SETTINGS_CONFLICT    | if_missing.refill           |
        | labels       | Team=web            | INVALID_ARGUMENT    | INVALID_FIELD        | if_missing.labels["Team"]   |

  Rule: In a batch each change says it for itself

    Scenario: Two new counters in one call
      When I send a batch, of counters that may be missing with "maximum" 5
        | change    | counter | number |
        | increment | visits  | 4      |
        | set       | level   | 6      |
        | increment | visits  | 2      |
        | increment | visits  | 1      |
      Then the batch's outcomes are
        | counter | from | to | refused              |
        | visits  | 0    | 4  |                      |
        | level   |      |    | VALUE_OUTSIDE_BOUNDS |
        | visits  |      |    | ABOVE_MAX            |
        | visits  | 4    | 5  |                      |
      And there is no counter "level"

    Scenario: Which of them cannot be is said
      When I send a batch, all or nothing, of counters that may be missing with "initial" 6 and "maximum" 5
        | change    | counter | number |
        | increment | visits  | 1      |
      Then it is refused with OUT_OF_RANGE, reason VALUE_OUTSIDE_BOUNDS
        | index | 0                                |
        | field | operations[0].if_missing.initial |

  Rule: Under a request id it counts once, and is made once

    Scenario: The same retry is answered as the first time, also after a restart
      Given I increment "seats" by 2 under the request id "s-1", which may be missing, with
        | maximum | 5 |
      When the server is restarted
      And I send the same request again
      Then the answer is the first one, marked as a repeat
      And "seats" is 2

    Scenario: Another counter to be made is another request
      Given I increment "seats" by 2 under the request id "s-1", which may be missing, with
        | maximum | 5 |
      When I increment "seats" by 2 under the request id "s-1", which may be missing, with
        | maximum | 6 |
      Then it is refused with INVALID_ARGUMENT, reason REQUEST_ID_REUSED
        | field | if_missing |
      And "seats" is 2
