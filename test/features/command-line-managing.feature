Feature: The life of a counter from a shell

  Scenario: Made with settings, changed, found by its label, deleted
    When I type "tally create seats --min 0 --max 40 --value 40 --label room=1 -q"
    Then "seats" has
      | minimum | 0  |
      | maximum | 40 |
    When I type "tally update seats --max 60 --label room=2 -q && tally inc seats 20"
    Then it prints "60"
    When I type "tally list --label room=2 -o name"
    Then it prints "seats"
    When I type "tally delete seats --yes"
    Then it prints "60"
    And there is no counter "seats"

  Scenario: Nothing is deleted without being asked for twice
    Given a counter "visits" at 7
    When I type "tally delete visits"
    Then it says "delete without a question with --yes"
    And it ends with exit code 2
    And "visits" is still 7

  Scenario: Bounds that the value violates
    Given a counter "visits" at 7
    When I type "tally update visits --max 5"
    Then it says "value 7 is outside the bounds"
    And it ends with exit code 4
