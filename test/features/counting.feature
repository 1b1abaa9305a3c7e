Feature: Counting
  A counter is a named whole number. It goes up and down by whole numbers, and every answer says where it went
  from and where it is now.

  Scenario: A counter at 0 is incremented
    Given a counter "visits" at 0
    When I increment "visits"
    Then the answer says it went from 0 to 1
    And "visits" is 1

  Scenario: A counter at 5 is decremented
    Given a counter "stock" at 5
    When I decrement "stock"
    Then the answer says it went from 5 to 4
    And "stock" is 4

  Scenario Outline: Going up from <before> by <amount>
    Given a counter "visits" at <before>
    When I increment "visits" by <amount>
    Then the answer says it went from <before> to <after>
    And "visits" is <after>

    Examples:
      | before | amount | after |
      | 0      | 10     | 10    |
      | 250    | 1,750  | 2,000 |
      | -3     | 5      | 2     |
      | -10    | 4      | -6    |

  Scenario Outline: Going down from <before> by <amount>
    Given a counter "stock" at <before>
    When I decrement "stock" by <amount>
    Then the answer says it went from <before> to <after>
    And "stock" is <after>

    Examples:
      | before | amount | after |
      | 10     | 10     | 0     |
      | 2,000  | 1,750  | 250   |
      | 2      | 5      | -3    |
      | -6     | 4      | -10   |

  Scenario: Incrementing a counter that is missing makes it
    Given there is no counter "visits"
    When I increment "visits" by 3
    Then the answer says it went from 0 to 3
    And "visits" is 3

  Scenario: Incrementing a missing counter can be refused instead
    Given there is no counter "visits"
    When I increment "visits" only if it exists
    Then it is refused with NOT_FOUND, reason COUNTER_NOT_FOUND
      | name | visits |
    And there is no counter "visits"

  Scenario: Decrementing a counter that is missing
    Given there is no counter "stock"
    When I decrement "stock"
    Then it is refused with NOT_FOUND, reason COUNTER_NOT_FOUND
      | name | stock |
    And there is no counter "stock"

  Scenario: Reading a counter that is missing
    When I read "nobody"
    Then it is refused with NOT_FOUND, reason COUNTER_NOT_FOUND
      | name | nobody |

  Scenario: An amount of 0 is refused, not read as 1
    Given a counter "visits" at 7
    When I increment "visits" by 0
    Then it is refused with INVALID_ARGUMENT, reason INVALID_FIELD
      | field | amount |
    And "visits" is still 7

  Scenario: A negative amount is refused
    Given a counter "visits" at 7
    When I decrement "visits" by -2
    Then it is refused with INVALID_ARGUMENT, reason INVALID_FIELD
      | field | amount |
    And "visits" is still 7

  Scenario Outline: The name <name> is refused
    When I increment <name>
    Then it is refused with INVALID_ARGUMENT, reason INVALID_FIELD
      | field | name |

    Examples:
      | name          |
      | ""            |
      | "-visits"     |
      | "two words"   |
      | "caffè"       |

  Scenario: A name may have separators and capitals, and capitals count
    When I increment "Shop/page:views.2026"
    Then "Shop/page:views.2026" is 1
    And there is no counter "shop/page:views.2026"
