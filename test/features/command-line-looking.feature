Feature: Looking at counters from a shell
  Background:
    Given a counter "page:home" at 30
    And a counter "page:about" at 12
    And a counter "orders" at 7

  Scenario: The value of one, and of several in the order asked for
    When I type "tally get orders; tally get page:home page:about"
    Then it prints "7, 30, 12"

  Scenario: One of several is missing
    When I type "tally get orders nobody"
    Then it prints "7"
    And it says "There is no counter nobody."
    And it ends with exit code 3

  Scenario: Names by prefix, the highest and the lowest, and the sum
    When I type "tally list page: -o name; tally top -n 1 -o name; tally top -n 1 --lowest -o name; tally sum page:"
    Then it prints "page:about, page:home, page:home, orders, 42"
    And it ends with exit code 0

  Scenario: More counters than a list shows
    When I type "tally list --limit 2 -o name"
    Then it prints "orders, page:about"
    And it says "There are more"
