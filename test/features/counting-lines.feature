Feature: Counting lines
  `tally count` counts a name a line, each line exactly once: of a file, or of what another program prints.

  Scenario: Lines are counted by name, under a prefix
    Given the lines
      | /home     |
      | /cart?x=1 |
      | /home     |
    When I run "tally count --prefix page:"
    Then it ends with 0 and says "3 of 3 lines counted"
    And "page:/home" is 2
    And "page:/cart?x=1" is 1

  Scenario: The name is a field of the line
    Given the lines
      | 10.0.0.1 GET  /home |
      | 10.0.0.2 POST /cart |
      | 10.0.0.1 GET  /cart |
    When I run "tally count --field 3"
    Then it ends with 0 and says "3 of 3 lines counted"
    And "/cart" is 2

  Scenario: The name is what an expression finds; other lines are skipped
    Given the lines
      | user=ann login  |
      | cron started    |
      | user=bob login  |
      | user=ann logout |
    When I run "tally count --regex user=(\w+) --prefix user:"
    Then it ends with 0 and says "3 of 4 lines counted, 1 without a match"
    And "user:ann" is 2

  Scenario: The name is a member of JSON
    Given the lines
      | {"request": {"path": "/home"}, "ms": 3} |
      | {"request": {"path": "/cart"}, "ms": 5} |
      | {"started": true}                       |
    When I run "tally count --json-field request.path"
    Then it ends with 0 and says "2 of 3 lines counted, 1 without a match"
    And "/home" is 1

  Scenario: What no name can have is percent-encoded
    Given the lines
      | café au lait |
      | 100%         |
      | -v           |
    When I run "tally count"
    Then it ends with 0 and says "3 of 3 lines counted"
    And "caf%C3%A9%20au%20lait" is 1
    And "100%25" is 1
    And "%2Dv" is 1

  Scenario: A name that is too long is not counted, and the others are
    Given the lines
      | short |
    And a line of 201 letters
    When I run "tally count"
    Then it ends with 4 and says "1 of 2 lines counted, 1 refused (1 NAME_TOO_LONG)"
    And "short" is 1

  Scenario: A counter at its maximum refuses, and the others count
    Given a counter "seats" with
      | value   | 9  |
      | maximum | 10 |
    And the lines
      | seats |
      | other |
      | seats |
    When I run "tally count"
    Then it ends with 4 and says "1 of 3 lines counted, 2 refused (2 ABOVE_MAX)"
    And "seats" is 9
    And "other" is 1

  Scenario: Counting goes on from where the counters are
    Given a counter "visits" at 1,000
    And the lines
      | visits |
      | visits |
    When I run "tally count"
    Then it ends with 0 and says "2 of 2 lines counted"
    And "visits" is 1,002
