Feature: Finding counters
  Counters are found by how their names begin and by their labels, read many at a time, and listed in the order of
  their names, a page a call.

  Scenario: Reading several at once
    Given a counter "home" at 5
    And a counter "about" at 7
    When I read "home", "nobody" and "about" together
    Then the results are
      | counter | value | refused           |
      | home    | 5     |                   |
      | nobody  |       | COUNTER_NOT_FOUND |
      | about   | 7     |                   |

  Scenario: Listing all, in the order of their names
    Given a counter "b" at 2
    And a counter "a" at 1
    And a counter "B" at 3
    When I list the counters
    Then the counters given are
      | counter | value |
      | B       | 3     |
      | a       | 1     |
      | b       | 2     |
    And there are no more

  Scenario: Listing what begins with a prefix
    Given a counter "shop.cart" at 1
    And a counter "shopping" at 2
    And a counter "shop" at 3
    And a counter "shop.visits" at 4
    When I list the counters that begin with "shop."
    Then the counters given are
      | counter     | value |
      | shop.cart   | 1     |
      | shop.visits | 4     |

  Scenario: Listing by labels, all of which must be there
    Given a counter "a" with
      | value  | 1                   |
      | labels | team=core, env=prod |
    And a counter "b" with
      | value  | 2                   |
      | labels | team=core, env=test |
    And a counter "c" with
      | value  | 3        |
      | labels | env=prod |
    When I list the counters with the labels "team=core"
    Then the counters given are
      | counter | value |
      | a       | 1     |
      | b       | 2     |
    When I list the counters with the labels "team=core, env=prod"
    Then the counters given are
      | counter | value |
      | a       | 1     |

  Scenario: New labels are found, and old ones are not any more
    Given a counter "a" with
      | value  | 1         |
      | labels | team=core |
    When I change the settings of "a"
      | labels | team=web |
    And I list the counters with the labels "team=core"
    Then the counters given are
      | counter | value |
    When I list the counters with the labels "team=web"
    Then the counters given are
      | counter | value |
      | a       | 1     |

  Scenario: Page by page, while counters come and go
    Given a counter "a" at 1
    And a counter "b" at 2
    And a counter "c" at 3
    And a counter "d" at 4
    When I list the counters, 2 a page
    Then the counters given are
      | counter | value |
      | a       | 1     |
      | b       | 2     |
    And there are more
    When I delete "a"
    And I increment "aa"
    And I increment "cc"
    And I list the next page
    Then the counters given are
      | counter | value |
      | c       | 3     |
      | cc      | 1     |
    When the server is restarted
    And I list the next page
    Then the counters given are
      | counter | value |
      | d       | 4     |
    And there are no more

  Scenario: A page of one list does not continue another
    Given a counter "a1" at 1
    And a counter "a2" at 2
    When I list the counters, 1 a page
    And I list the next page of those that begin with "a"
    Then it is refused with INVALID_ARGUMENT, reason INVALID_FIELD
      | field | page_token |
